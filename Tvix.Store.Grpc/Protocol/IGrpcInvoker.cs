namespace Tvix.Store.Grpc.Protocol;

/// <summary>Makes calls to a server. All that the clients of this library need of a gRPC stack: an application with another one implements this.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public interface IGrpcInvoker
{
    /// <summary>Starts a call. Whether the server can be reached shows at the first write or read.</summary>
    /// <param name="method">What to call.</param>
    /// <param name="options">Headers, deadline, compression.</param>
    /// <param name="cancellationToken">Cancels the call, at any time until it is disposed.</param>
    /// <returns>The call, which the caller disposes.</returns>
    IGrpcCall<TRequest, TResponse> Start<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, GrpcCallOptions options = default, CancellationToken cancellationToken = default);

    /// <summary>How calls are repeated that may be; <see langword="null"/> for not at all.</summary>
    GrpcRetryOptions? Retry => null;
}
