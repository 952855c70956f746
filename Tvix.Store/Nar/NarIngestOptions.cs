using Tvix.Store.Nix;

namespace Tvix.Store.Nar;

/// <summary>What a <see cref="NarIngester"/> is told about a NAR, and how it takes it in.</summary>
public sealed class NarIngestOptions
{
    /// <summary>The length that the NAR must have, in bytes; <see langword="null"/>, the default, for any.</summary>
    public ulong? ExpectedSize { get; set; }

    /// <summary>The SHA-256 that the NAR must have; <see langword="null"/>, the default, for any.</summary>
    public Sha256Digest? ExpectedSha256 { get; set; }

    /// <summary>The content address that the tree must have; <see langword="null"/>, the default, for any.</summary>
    public ContentAddress? ExpectedContentAddress { get; set; }

    /// <summary>
    /// The hash part of the tree's own store path, where the tree may contain that path: its address by NAR and SHA-256 is then computed as
    /// if it did not.
    /// </summary>
    /// <value><see langword="null"/> by default; has no effect on other content addresses.</value>
    public StorePathDigest? SelfReference { get; set; }

    /// <summary>Whether other data may follow the archive; see <see cref="NarReaderOptions.Embedded"/>.</summary>
    /// <value><see langword="false"/> by default.</value>
    public bool Embedded { get; set; }

    /// <summary>How many directories may be inside each other; see <see cref="NarReaderOptions.MaxDepth"/>.</summary>
    /// <value>4096 by default.</value>
    public int MaxDepth { get; set; } = 4096;

    /// <summary>How many bytes of small files are gathered to be stored together.</summary>
    /// <value>1 MiB by default; at least <see cref="SmallFileBytes"/>.</value>
    public int BatchBytes { get; set; } = 1 << 20;

    /// <summary>How many batches of small files may be on their way to the store.</summary>
    /// <value>4 by default; at least 1.</value>
    public int BatchesInFlight { get; set; } = 4;

    /// <summary>The length up to which a file is stored together with others, rather than streamed, in bytes.</summary>
    /// <value>256 KiB by default.</value>
    public int SmallFileBytes { get; set; } = 256 << 10;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(MaxDepth);
        ArgumentOutOfRangeException.ThrowIfNegative(SmallFileBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchBytes, SmallFileBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchesInFlight, 1);
    }
}
