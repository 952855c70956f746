namespace Tvix.Store.Cli.Json;

/// <summary>What a store holds. Sizes are in bytes; what the backend does not tell is left out.</summary>
internal sealed record StatisticsJson
{
    public required long StorePaths { get; init; }

    public required ulong NarBytes { get; init; }

    public long? UniqueBytes { get; init; }

    public long? StoredBytes { get; init; }

    public long? IndexBytes { get; init; }

    public long? Chunks { get; init; }

    public long? ChunkedBlobs { get; init; }

    public long? Directories { get; init; }

    public double? DeduplicationRatio { get; init; }

    public static StatisticsJson From(TvixStoreStatistics statistics) => new()
    {
        StorePaths = statistics.StorePaths,
        NarBytes = statistics.NarBytes,
        UniqueBytes = statistics.Contents?.UniqueBytes,
        StoredBytes = statistics.Contents?.StoredBytes,
        IndexBytes = statistics.Contents?.IndexBytes,
        Chunks = statistics.Contents?.Chunks,
        ChunkedBlobs = statistics.Contents?.ChunkedBlobs,
        Directories = statistics.Contents?.Directories,
        DeduplicationRatio = statistics.DeduplicationRatio,
    };
}
