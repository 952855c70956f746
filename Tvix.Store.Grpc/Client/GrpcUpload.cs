using System.Buffers;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Client;

/// <summary>A call that takes many messages and answers with one. Disposing it before the answer cancels it.</summary>
/// <param name="invoker">Makes the call.</param>
/// <param name="method">What to call.</param>
/// <param name="limit">How long each step may take.</param>
internal sealed class GrpcUpload<TResponse>(IGrpcInvoker invoker, GrpcMethod<ReadOnlySequence<byte>, TResponse> method, StepLimit limit) : IAsyncDisposable
{
    private readonly IGrpcCall<ReadOnlySequence<byte>, TResponse> _call = invoker.Start(method);

    /// <exception cref="GrpcException">The call ended.</exception>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) =>
        await limit.RunAsync(
            async token =>
            {
                await _call.WriteAsync(new ReadOnlySequence<byte>(message), token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);

    /// <summary>Says that this was all, and waits for the answer.</summary>
    /// <exception cref="GrpcException">The call ended otherwise.</exception>
    public ValueTask<TResult> FinishAsync<TResult>(Func<TResponse, TResult> read, CancellationToken cancellationToken) =>
        limit.RunAsync(
            async token =>
            {
                await _call.CompleteAsync(token).ConfigureAwait(false);
                if (!await _call.MoveNextAsync(token).ConfigureAwait(false))
                {
                    throw new GrpcException(GrpcStatusCode.Unimplemented, $"{method.Path} ended well, but without an answer.");
                }

                TResult result = read(_call.Current);
                return await _call.MoveNextAsync(token).ConfigureAwait(false)
                    ? throw new GrpcException(GrpcStatusCode.Unimplemented, $"{method.Path} gave more than one answer.")
                    : result;
            },
            cancellationToken);

    public ValueTask DisposeAsync() => _call.DisposeAsync();
}
