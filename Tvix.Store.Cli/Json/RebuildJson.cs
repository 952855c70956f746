using Tvix.Castore.Local;

namespace Tvix.Store.Cli.Json;

/// <summary>What making an index anew found.</summary>
internal sealed record RebuildJson
{
    public required int Packs { get; init; }

    public required long Records { get; init; }

    public required long SkippedBytes { get; init; }

    /// <summary>Where the old index is; absent when there was none.</summary>
    public string? OldIndex { get; init; }

    public static RebuildJson From(LocalIndexRebuild rebuild) => new()
    {
        Packs = rebuild.Packs,
        Records = rebuild.Records,
        SkippedBytes = rebuild.SkippedBytes,
        OldIndex = rebuild.OldIndex,
    };
}
