using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Copy;

/// <summary>A store path that a copy has to do with, and what is to be done about it.</summary>
internal sealed class PlannedPath
{
    /// <param name="info">What the source says of it, or the target when the source does not have it.</param>
    public PlannedPath(PathInfo info)
    {
        Info = info;
        StorePath = info.StorePath;
        References = info.References;
        NarSize = info.NarSize;
    }

    /// <param name="narInfo">What the source says of it before it has fetched the contents.</param>
    public PlannedPath(NarInfo narInfo)
    {
        StorePath = narInfo.StorePath;
        References = narInfo.References;
        NarSize = narInfo.NarSize;
    }

    public StorePath StorePath { get; }

    public IReadOnlyList<StorePath> References { get; }

    public ulong NarSize { get; }

    /// <summary>What is known of it; <see langword="null"/> as long as the source has yet to fetch the contents.</summary>
    public PathInfo? Info { get; private set; }

    /// <summary>Whether the contents are to be copied, or looked through.</summary>
    public bool NeedsContents { get; init; }

    /// <summary>Whether the source has an archive of the contents only, which it brings into the target when it is asked for the path info.</summary>
    public bool IsArchived { get; init; }

    /// <summary>What is to be stored in the end; <see langword="null"/> when nothing is.</summary>
    public PathInfo? ToPut { get; set; }

    /// <summary>Whether this is a path that the target lacks, or says something else of.</summary>
    public bool IsCopied { get; init; }

    /// <summary>The paths that must be in the target before this one is.</summary>
    public List<PlannedPath> Before { get; } = [];

    /// <summary>Completes when the path, and all that it refers to, is in the target.</summary>
    public Task Published { get; set; } = Task.CompletedTask;

    /// <summary>Says what the source fetched.</summary>
    public void Fetched(PathInfo info) => Info = ToPut = info;
}
