namespace Tvix.Castore;

/// <summary>What a store holds, and what that takes.</summary>
public sealed record StoreStatistics
{
    /// <summary>The number of chunks, blobs that are one chunk included.</summary>
    public long Chunks { get; init; }

    /// <summary>The number of blobs that consist of several chunks.</summary>
    public long ChunkedBlobs { get; init; }

    /// <summary>The number of directories.</summary>
    public long Directories { get; init; }

    /// <summary>The number of named values: path infos, in a store for Nix.</summary>
    public long NamedValues { get; init; }

    /// <summary>The length of all chunks and directories before compression, each counted once, in bytes.</summary>
    public long UniqueBytes { get; init; }

    /// <summary>What the data takes on disk after compression, records' heads and dead space included, in bytes.</summary>
    public long StoredBytes { get; init; }

    /// <summary>What the index takes on disk, in bytes.</summary>
    public long IndexBytes { get; init; }
}
