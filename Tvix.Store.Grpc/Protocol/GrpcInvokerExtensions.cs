using System.Runtime.CompilerServices;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Calls in the shapes that clients want.</summary>
public static class GrpcInvokerExtensions
{
    /// <summary>Makes a call with one request and one response.</summary>
    /// <param name="invoker">Makes the call.</param>
    /// <param name="method">What to call.</param>
    /// <param name="request">The request.</param>
    /// <param name="read">Takes what is needed from the response, which may be valid only meanwhile.</param>
    /// <param name="options">Headers and so on.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="GrpcException">The call ended badly; the status says how.</exception>
    public static async ValueTask<TResult> UnaryAsync<TRequest, TResponse, TResult>(
        this IGrpcInvoker invoker,
        GrpcMethod<TRequest, TResponse> method,
        TRequest request,
        Func<TResponse, TResult> read,
        GrpcCallOptions options = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(invoker);
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(read);
        for (int attempts = 1; ; attempts++)
        {
            IGrpcCall<TRequest, TResponse> call = invoker.Start(method, options, cancellationToken);
            await using (call.ConfigureAwait(false))
            {
                try
                {
                    await SendAsync(call, request, cancellationToken).ConfigureAwait(false);
                    if (!await call.MoveNextAsync(cancellationToken).ConfigureAwait(false))
                    {
                        throw new GrpcException(GrpcStatusCode.Unimplemented, $"{method.Path} ended well, but without an answer.");
                    }

                    TResult result = read(call.Current);
                    return await call.MoveNextAsync(cancellationToken).ConfigureAwait(false)
                        ? throw new GrpcException(GrpcStatusCode.Unimplemented, $"{method.Path} gave more than one answer.")
                        : result;
                }
                catch (GrpcException e) when (MayRetry(invoker, method, e, attempts))
                {
                }
            }

            await invoker.Retry!.WaitAsync(attempts, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Makes a call with one request and any number of responses.</summary>
    /// <returns>The responses, each of which may be valid only until the next one is asked for. Ending the enumeration early cancels the call.</returns>
    /// <exception cref="GrpcException">The call ended badly; the status says how.</exception>
    public static IAsyncEnumerable<TResponse> ServerStreamingAsync<TRequest, TResponse>(
        this IGrpcInvoker invoker,
        GrpcMethod<TRequest, TResponse> method,
        TRequest request,
        GrpcCallOptions options = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(invoker);
        ArgumentNullException.ThrowIfNull(method);
        return EnumerateAsync(invoker, method, request, options, cancellationToken);
    }

    private static async IAsyncEnumerable<TResponse> EnumerateAsync<TRequest, TResponse>(
        IGrpcInvoker invoker,
        GrpcMethod<TRequest, TResponse> method,
        TRequest request,
        GrpcCallOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (int attempts = 1; ; attempts++)
        {
            IGrpcCall<TRequest, TResponse> call = invoker.Start(method, options, cancellationToken);
            await using (call.ConfigureAwait(false))
            {
                bool found = false;
                bool again = false;
                try
                {
                    await SendAsync(call, request, cancellationToken).ConfigureAwait(false);
                    found = await call.MoveNextAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (GrpcException e) when (MayRetry(invoker, method, e, attempts))
                {
                    again = true;
                }

                if (!again)
                {
                    for (; found; found = await call.MoveNextAsync(cancellationToken).ConfigureAwait(false))
                    {
                        yield return call.Current;
                    }

                    yield break;
                }
            }

            await invoker.Retry!.WaitAsync(attempts, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async ValueTask SendAsync<TRequest, TResponse>(IGrpcCall<TRequest, TResponse> call, TRequest request, CancellationToken cancellationToken)
    {
        await call.WriteAsync(request, cancellationToken).ConfigureAwait(false);
        await call.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    private static bool MayRetry<TRequest, TResponse>(IGrpcInvoker invoker, GrpcMethod<TRequest, TResponse> method, GrpcException failure, int attempts) =>
        failure.StatusCode == GrpcStatusCode.Unavailable && method.IsIdempotent && invoker.Retry is { } retry && attempts < retry.MaxAttempts;
}
