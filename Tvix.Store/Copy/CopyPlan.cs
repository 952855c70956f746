using Tvix.Castore;
using Tvix.Castore.Composition;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Copy;

/// <summary>Finds out what is to be copied: all path infos of the closure, from both stores, in the order in which they may be stored.</summary>
/// <remarks>
/// References are followed in waves, so that the number of round trips, one after the other, is the depth of the closure and not its size.
/// </remarks>
internal sealed class CopyPlan(TvixStore source, TvixStore target, CopyOptions options)
{
    private readonly IPathInfoService _targetInfos = ServiceCapabilities.WrittenTo(target.PathInfos);
    private readonly INarInfoService? _narInfos = ServiceCapabilities.Find<INarInfoService>(source.PathInfos);
    private readonly Dictionary<StorePathDigest, PlannedPath> _planned = [];

    /// <summary>A path to look up.</summary>
    /// <param name="Path">The path.</param>
    /// <param name="Info">What the source says of it, when that is known.</param>
    /// <param name="Referrer">Who refers to it; <see langword="null"/> when it was asked for.</param>
    public readonly record struct Wanted(StorePath Path, PathInfo? Info, StorePath? Referrer);

    /// <summary>Makes the plan.</summary>
    /// <returns>All paths, each after those that it refers to. Cycles are broken where they come back to a path that was reached before.</returns>
    /// <exception cref="StorageException">The source lacks a path; the message says which and who refers to it.</exception>
    /// <exception cref="StorePathConflictException">The target says something else of a path.</exception>
    public async Task<IReadOnlyList<PlannedPath>> MakeAsync(IEnumerable<Wanted> roots, CancellationToken cancellationToken)
    {
        HashSet<StorePathDigest> seen = [];
        List<Wanted> wave = [.. roots.Where(root => seen.Add(root.Path.Digest))];
        List<PlannedPath> first = [];
        bool isFirst = true;
        while (wave.Count > 0)
        {
            (Offer? Source, PathInfo? Target)[] found = await LookUpAsync(wave, cancellationToken).ConfigureAwait(false);
            List<Wanted> next = [];
            for (int i = 0; i < found.Length; i++)
            {
                PlannedPath path = Plan(wave[i], found[i].Source, found[i].Target);
                _planned.Add(wave[i].Path.Digest, path);
                if (isFirst)
                {
                    first.Add(path);
                }

                if (options.IncludeReferences)
                {
                    next.AddRange(path.References
                        .Where(reference => seen.Add(reference.Digest))
                        .Select(reference => new Wanted(reference, null, path.StorePath)));
                }
            }

            wave = next;
            isFirst = false;
        }

        return Sort(first);
    }

    private async Task<(Offer? Source, PathInfo? Target)[]> LookUpAsync(List<Wanted> wave, CancellationToken cancellationToken)
    {
        var found = new (Offer? Source, PathInfo? Target)[wave.Count];
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = options.ConcurrentLookups, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(Enumerable.Range(0, wave.Count), parallel, async (i, token) =>
        {
            // Both questions at once.
            Task<PathInfo?> there = _targetInfos.GetAsync(wave[i].Path.Digest, token).AsTask();
            Task<Offer?> here = AskSourceAsync(wave[i], token);
            await Task.WhenAll(here, there).ConfigureAwait(false);
            found[i] = (await here.ConfigureAwait(false), await there.ConfigureAwait(false));
        }).ConfigureAwait(false);
        return found;
    }

    /// <summary>Asks the source. One that has to fetch contents is not made to do so here, where everything is asked for at the same time.</summary>
    private async Task<Offer?> AskSourceAsync(Wanted wanted, CancellationToken cancellationToken)
    {
        PathInfo? info = wanted.Info
            ?? (_narInfos is null
                ? await source.PathInfos.GetAsync(wanted.Path.Digest, cancellationToken).ConfigureAwait(false)
                : await _narInfos.FindAsync(wanted.Path.Digest, cancellationToken).ConfigureAwait(false));
        return info is not null ? new Offer(info.StorePath, info, null)
            : _narInfos is not null && await _narInfos.GetNarInfoAsync(wanted.Path.Digest, cancellationToken).ConfigureAwait(false) is { } narInfo
                ? new Offer(narInfo.StorePath, null, narInfo)
            : null;
    }

    /// <summary>What the source says of a path: either with its contents, or what can be said without.</summary>
    private sealed record Offer(StorePath StorePath, PathInfo? Info, NarInfo? NarInfo)
    {
        public PlannedPath ToCopy() => Info is null
            ? new PlannedPath(NarInfo!) { NeedsContents = true, IsCopied = true }
            : new PlannedPath(Info) { NeedsContents = true, ToPut = Info, IsCopied = true };

        /// <summary>The path info, where the target knows what the contents are.</summary>
        public PathInfo With(PathInfo known) => Info ?? PathInfo.FromNarInfo(NarInfo!, known.Node);
    }

    private PlannedPath Plan(Wanted wanted, Offer? offer, PathInfo? known)
    {
        if (offer is null)
        {
            // A reference that the target has completes the closure as well as one from the source.
            return wanted.Referrer is not null && known is not null
                ? new PlannedPath(known)
                : throw new StorageException(wanted.Referrer is null
                    ? $"{Show(wanted.Path)} is not in the source."
                    : $"{Show(wanted.Path)}, which {Show(wanted.Referrer)} refers to, is not in the source.");
        }

        if (offer.StorePath.Digest != wanted.Path.Digest)
        {
            throw new StorageException($"The source was asked for {Show(wanted.Path)} and answers with {Show(offer.StorePath)}.");
        }

        if (known is null)
        {
            return offer.ToCopy();
        }

        PathInfo offered = offer.With(known);
        if (FindDifference(offered, known) is { } difference)
        {
            return options.Overwrite
                ? offer.ToCopy()
                : throw new StorePathConflictException(
                    $"{Show(offered.StorePath)} is in the target already, with {difference}. Nothing was copied.", offered, known);
        }

        return new PlannedPath(offered)
        {
            NeedsContents = options.CheckContents,
            IsArchived = offer.Info is null,
            ToPut = WithMissingSignatures(offered, known),
        };
    }

    /// <summary>What two stores disagree in that may not be; <see langword="null"/> when they mean the same.</summary>
    private static string? FindDifference(PathInfo offered, PathInfo known) =>
        offered.StorePath != known.StorePath ? "another name"
        : !IsSameNode(offered.Node, known.Node) ? "other contents"
        : offered.NarHash != known.NarHash || offered.NarSize != known.NarSize ? "another NAR hash or size"
        : !offered.References.ToHashSet().SetEquals(known.References) ? "other references"
        : null;

    // Of a directory, two sizes can be recorded: there are two rules for it.
    private static bool IsSameNode(Node a, Node b) =>
        a is Node.Directory x && b is Node.Directory y ? x.Digest == y.Digest : a == b;

    /// <summary>The target's path info with the signatures that only the source has; <see langword="null"/> when it is to stay as it is.</summary>
    private static PathInfo? WithMissingSignatures(PathInfo offered, PathInfo known)
    {
        NarSignature[] missing = [.. offered.Signatures.Except(known.Signatures)];
        return missing.Length > 0 && offered with { Signatures = [], Node = known.Node } == known with { Signatures = [] }
            ? known with { Signatures = [.. known.Signatures, .. missing] }
            : null;
    }

    private List<PlannedPath> Sort(List<PlannedPath> roots)
    {
        List<PlannedPath> sorted = new(_planned.Count);
        HashSet<PlannedPath> reached = [];
        HashSet<PlannedPath> done = [];
        Stack<(PlannedPath Path, int Next)> levels = new();
        foreach (PlannedPath root in roots)
        {
            Enter(root);
            while (levels.TryPop(out var level))
            {
                if (level.Next < level.Path.References.Count)
                {
                    levels.Push(level with { Next = level.Next + 1 });
                    if (_planned.TryGetValue(level.Path.References[level.Next].Digest, out PlannedPath? reference))
                    {
                        Enter(reference);
                    }
                }
                else
                {
                    // What is reached but not done refers back to this path, or is this path.
                    level.Path.Before.AddRange(level.Path.References
                        .Select(reference => _planned.GetValueOrDefault(reference.Digest))
                        .OfType<PlannedPath>()
                        .Where(done.Contains));
                    done.Add(level.Path);
                    sorted.Add(level.Path);
                }
            }
        }

        return sorted;

        void Enter(PlannedPath path)
        {
            if (reached.Add(path))
            {
                levels.Push((path, 0));
            }
        }
    }

    private string Show(StorePath path) => path.ToAbsolutePath(source.StoreDirectory);
}
