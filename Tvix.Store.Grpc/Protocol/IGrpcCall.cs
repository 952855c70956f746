namespace Tvix.Store.Grpc.Protocol;

/// <summary>A call that a client makes.</summary>
/// <typeparam name="TRequest">What the client sends.</typeparam>
/// <typeparam name="TResponse">What the server answers.</typeparam>
/// <remarks>
/// One caller writes at a time, and one reads; both may at once. Disposing a call that has not ended cancels it, and the server hears of that.
/// </remarks>
public interface IGrpcCall<in TRequest, out TResponse> : IAsyncDisposable
{
    /// <summary>Sends a message. Waits while the server does not take what was sent before.</summary>
    /// <param name="message">The message; when the call returns, it is not needed any more.</param>
    /// <param name="cancellationToken">Ends the wait, and with it the call.</param>
    /// <exception cref="GrpcException">The call ended; the status says how.</exception>
    /// <exception cref="ObjectDisposedException">What made the call was disposed.</exception>
    ValueTask WriteAsync(TRequest message, CancellationToken cancellationToken = default);

    /// <summary>Says that no more messages follow.</summary>
    /// <param name="cancellationToken">Ends the wait, and with it the call.</param>
    ValueTask CompleteAsync(CancellationToken cancellationToken = default);

    /// <summary>Waits for the next message of the server.</summary>
    /// <returns>Whether there is one; otherwise the call ended well.</returns>
    /// <param name="cancellationToken">Ends the wait, and with it the call.</param>
    /// <exception cref="GrpcException">The call ended otherwise; the status says how.</exception>
    /// <exception cref="ObjectDisposedException">What made the call was disposed.</exception>
    ValueTask<bool> MoveNextAsync(CancellationToken cancellationToken = default);

    /// <summary>The message that <see cref="MoveNextAsync"/> found. It may be valid only until the next one is asked for.</summary>
    TResponse Current { get; }

    /// <summary>What the server sent before its first message; empty until then.</summary>
    GrpcMetadata ResponseHeaders { get; }

    /// <summary>What the server sent with the status; empty before the end.</summary>
    GrpcMetadata ResponseTrailers { get; }
}
