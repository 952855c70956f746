namespace Tvix.Store.BinaryCaches;

/// <summary>Contents for a file of a binary cache.</summary>
/// <param name="Length">How many bytes there are.</param>
/// <param name="WriteAsync">Writes them all. May be called several times, one call after the other.</param>
public sealed record BinaryCacheContents(long Length, Func<Stream, CancellationToken, Task> WriteAsync)
{
    /// <summary>Contents that are in memory.</summary>
    public static BinaryCacheContents From(ReadOnlyMemory<byte> bytes) =>
        new(bytes.Length, async (destination, cancellationToken) => await destination.WriteAsync(bytes, cancellationToken).ConfigureAwait(false));
}
