using Tvix.Castore.Blobs;

namespace Tvix.Store.Nar;

/// <summary>How far a <see cref="NarRenderer"/> reads ahead of what it writes.</summary>
/// <remarks>
/// What is not far away gains nothing by that: from a store that can give pieces (<see cref="IStoredPieceSource"/>), blobs are read in a few batches of about a quarter of a mebibyte
/// instead, on several threads, and large ones by their chunks. That also stops at the budget of bytes, and does not go beyond the blob or chunk that is next when a limit is 0.
/// </remarks>
public sealed class NarRenderOptions
{
    /// <summary>How many bytes of blobs may be fetched ahead.</summary>
    /// <value>32 MiB by default. With 0, blobs are fetched one after the other.</value>
    public long PrefetchBytes { get; set; } = 32 << 20;

    /// <summary>How many blobs may be fetched ahead.</summary>
    /// <value>64 by default.</value>
    public int PrefetchBlobs { get; set; } = 64;

    /// <summary>The length up to which a blob is fetched ahead, as a whole, rather than streamed when its turn comes.</summary>
    /// <value>1 MiB by default.</value>
    /// <seealso cref="IBlobService.ReadAsync"/>
    public int SmallBlobBytes { get; set; } = 1 << 20;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(PrefetchBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(PrefetchBlobs);
        ArgumentOutOfRangeException.ThrowIfNegative(SmallBlobBytes);
    }
}
