namespace Tvix.Store.Grpc.Client;

/// <summary>Settings of the clients.</summary>
public class GrpcClientOptions
{
    /// <summary>Under which names the services are called.</summary>
    /// <value><see cref="GrpcPackage.Tvix"/>, unless set.</value>
    public GrpcPackage Package { get; set; } = GrpcPackage.Tvix;

    /// <summary>
    /// How long the server may take for a call; <see langword="null"/> for as long as it likes. Of an upload, of a large blob that is
    /// read as a stream, and of directories and listings, it is each step that may take so long: to take the next message, or to send it.
    /// The time that the caller takes in between does not count.
    /// </summary>
    /// <value><see langword="null"/>, unless set.</value>
    public TimeSpan? Timeout { get; set; }

    /// <summary>Checks the settings against their documented ranges.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range; the message names it.</exception>
    public virtual void Validate()
    {
        if (!Enum.IsDefined(Package))
        {
            throw new ArgumentOutOfRangeException(nameof(Package), Package, "There is no such package.");
        }

        if (Timeout is { } timeout)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(timeout, TimeSpan.Zero, nameof(Timeout));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(timeout, TimeSpan.FromDays(24), nameof(Timeout)); // what timers can do
        }
    }
}
