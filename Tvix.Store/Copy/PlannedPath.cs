using Tvix.Store.PathInfos;

namespace Tvix.Store.Copy;

/// <summary>A store path that a copy has to do with, and what is to be done about it.</summary>
/// <param name="info">What the source says of it, or the target when the source does not have it.</param>
internal sealed class PlannedPath(PathInfo info)
{
    public PathInfo Info { get; } = info;

    /// <summary>Whether the contents are to be copied, or looked through.</summary>
    public bool NeedsContents { get; init; }

    /// <summary>What is to be stored in the end; <see langword="null"/> when nothing is.</summary>
    public PathInfo? ToPut { get; init; }

    /// <summary>Whether this is a path that the target lacks, or says something else of.</summary>
    public bool IsCopied { get; init; }

    /// <summary>The paths that must be in the target before this one is.</summary>
    public List<PlannedPath> Before { get; } = [];

    /// <summary>Completes when the path, and all that it refers to, is in the target.</summary>
    public Task Published { get; set; } = Task.CompletedTask;
}
