namespace Tvix.Store.Grpc.Protocol;

/// <summary>How often and when a call is repeated whose server was UNAVAILABLE.</summary>
/// <remarks>
/// Only calls that can be made twice (see <see cref="GrpcMethod{TRequest, TResponse}.IsIdempotent"/>), that send one message, and of which no answer came yet.
/// </remarks>
public sealed class GrpcRetryOptions
{
    /// <summary>How often a call is made at most, the first time included.</summary>
    /// <value>4, unless set.</value>
    public int MaxAttempts { get; set; } = 4;

    /// <summary>How long to wait before the second attempt. The actual wait is between half of it and all of it.</summary>
    /// <value>100 ms, unless set.</value>
    public TimeSpan InitialBackoff { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>What the wait is multiplied with each time.</summary>
    /// <value>3, unless set.</value>
    public double BackoffMultiplier { get; set; } = 3;

    /// <summary>The longest wait.</summary>
    /// <value>5 s, unless set.</value>
    public TimeSpan MaxBackoff { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Tells the time.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Waits before an attempt.</summary>
    /// <param name="attempts">How many were made.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal Task WaitAsync(int attempts, CancellationToken cancellationToken)
    {
        double full = Math.Min(MaxBackoff.TotalMilliseconds, InitialBackoff.TotalMilliseconds * Math.Pow(BackoffMultiplier, attempts - 1));
        TimeSpan wait = TimeSpan.FromMilliseconds(full * (0.5 + (Random.Shared.NextDouble() / 2)));
        return Task.Delay(wait, TimeProvider, cancellationToken);
    }
}
