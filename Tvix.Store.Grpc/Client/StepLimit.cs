using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Client;

/// <summary>Limits how long one step of a call takes that as a whole may take as long as it likes.</summary>
/// <param name="timeout">The limit; <see langword="null"/> for none.</param>
internal readonly struct StepLimit(TimeSpan? timeout)
{
    /// <summary>Runs a step, which the given token cancels as well.</summary>
    /// <exception cref="GrpcException">DEADLINE_EXCEEDED: it took too long.</exception>
    public async ValueTask<T> RunAsync<T>(Func<CancellationToken, ValueTask<T>> step, CancellationToken cancellationToken)
    {
        if (timeout is null)
        {
            return await step(cancellationToken).ConfigureAwait(false);
        }

        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stop.CancelAfter(timeout.Value);
        try
        {
            return await step(stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellationToken);
        }
        catch (OperationCanceledException e) when (stop.IsCancellationRequested)
        {
            throw Exceeded(timeout.Value, e);
        }
    }

    /// <summary>What a step that took too long ends with.</summary>
    public static GrpcException Exceeded(TimeSpan timeout, Exception cause) =>
        new(GrpcStatusCode.DeadlineExceeded, $"The server did nothing for {timeout.TotalSeconds:0.###} s.", cause);
}
