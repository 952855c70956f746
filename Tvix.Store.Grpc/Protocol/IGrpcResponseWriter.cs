namespace Tvix.Store.Grpc.Protocol;

/// <summary>Takes the messages that answer a call.</summary>
/// <typeparam name="T">The kind of message.</typeparam>
public interface IGrpcResponseWriter<in T>
{
    /// <summary>Sends a message. Waits while the client does not take what was sent before.</summary>
    /// <param name="message">The message; when the call returns, it is not needed any more.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">The client went away, or its deadline passed.</exception>
    /// <exception cref="GrpcException">The message is longer than may be sent.</exception>
    ValueTask WriteAsync(T message, CancellationToken cancellationToken = default);
}
