namespace Tvix.Castore.Local;

/// <summary>What <see cref="LocalStore.RebuildIndexAsync"/> found in the pack files.</summary>
/// <param name="Packs">The number of pack files.</param>
/// <param name="Records">The number of intact records, which the new index knows.</param>
/// <param name="SkippedBytes">How many bytes are not part of any intact record: damage, or what a crash left unfinished at the end of a pack.</param>
/// <param name="OldIndex">Where the old index is now; <see langword="null"/> when there was none. It may be deleted.</param>
public sealed record LocalIndexRebuild(int Packs, long Records, long SkippedBytes, string? OldIndex);
