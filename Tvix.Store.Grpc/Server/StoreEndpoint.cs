using Microsoft.Extensions.Logging;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Store.Grpc.Server;

/// <summary>What the endpoints of the three services have in common: the table of errors, and that a store may be read-only.</summary>
internal abstract class StoreEndpoint(bool isReadOnly, ILogger logger)
{
    protected Func<TRequest, IGrpcServerContext, ValueTask<TResponse>> Unary<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, Func<TRequest, CancellationToken, ValueTask<TResponse>> handler) =>
        async (request, context) =>
        {
            ThrowIfReadOnly(method.IsReadOnly);
            try
            {
                return await handler(request, context.CancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (IsOurs(e, context))
            {
                throw ToStatus(e, method.Path, !method.IsReadOnly);
            }
        };

    protected Func<TRequest, IGrpcResponseWriter<TResponse>, IGrpcServerContext, Task> ServerStreaming<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, Func<TRequest, IGrpcResponseWriter<TResponse>, CancellationToken, Task> handler) =>
        async (request, responses, context) =>
        {
            ThrowIfReadOnly(method.IsReadOnly);
            try
            {
                await handler(request, responses, context.CancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (IsOurs(e, context))
            {
                throw ToStatus(e, method.Path, !method.IsReadOnly);
            }
        };

    protected Func<IAsyncEnumerable<TRequest>, IGrpcServerContext, ValueTask<TResponse>> ClientStreaming<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, Func<IAsyncEnumerable<TRequest>, CancellationToken, ValueTask<TResponse>> handler) =>
        async (requests, context) =>
        {
            ThrowIfReadOnly(method.IsReadOnly);
            try
            {
                return await handler(requests, context.CancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (IsOurs(e, context))
            {
                throw ToStatus(e, method.Path, !method.IsReadOnly);
            }
        };

    protected static GrpcException InvalidArgument(string message) => new(GrpcStatusCode.InvalidArgument, message);

    /// <summary>Whether the store threw, rather than that nobody waits any more: that is for the caller to say.</summary>
    private static bool IsOurs(Exception e, IGrpcServerContext context) => StoreErrors.IsKnown(e) && !context.CancellationToken.IsCancellationRequested;

    private GrpcException ToStatus(Exception e, string method, bool isUpload)
    {
        GrpcException status = StoreErrors.ToStatus(e, isUpload);
        switch (status.StatusCode)
        {
            case GrpcStatusCode.Internal or GrpcStatusCode.DataLoss:
                Log.StoreFailed(logger, e, method);
                break;
            case GrpcStatusCode.Unavailable:
                Log.StoreUnavailable(logger, e, method);
                break;
        }

        return status;
    }

    private void ThrowIfReadOnly(bool isRead)
    {
        if (isReadOnly && !isRead)
        {
            throw StoreErrors.ReadOnlyStore();
        }
    }
}
