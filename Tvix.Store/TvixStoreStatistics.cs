using Tvix.Castore;

namespace Tvix.Store;

/// <summary>What a store holds, seen as store paths and as what they are made of.</summary>
public sealed record TvixStoreStatistics
{
    /// <summary>The number of store paths.</summary>
    public long StorePaths { get; init; }

    /// <summary>The size of all store paths as NARs together, in bytes: what a store of archives would hold.</summary>
    public ulong NarBytes { get; init; }

    /// <summary>What the store is made of; <see langword="null"/> when the backend does not tell.</summary>
    public StoreStatistics? Contents { get; init; }

    /// <summary>How many times smaller the stored data is than the NARs; <see langword="null"/> when that is not known or nothing is stored.</summary>
    public double? DeduplicationRatio => Contents is { StoredBytes: > 0 } contents ? NarBytes / (double)contents.StoredBytes : null;
}
