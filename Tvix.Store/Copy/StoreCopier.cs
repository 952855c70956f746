using Tvix.Castore;
using Tvix.Castore.Composition;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Copy;

/// <summary>Copies store paths, with all that they refer to, from one store to another. Moves only what the target lacks.</summary>
/// <remarks>
/// <para><b>What is skipped.</b> A store path whose path info the target has; its references are looked at all the same. Of the others,
/// every blob that the target has, and of large blobs the chunks (see <see cref="CopyOptions.ReadChunksFromTarget"/>). A tree whose root
/// directory the target has is walked there, and its directories are not read from the source; but since a store may have directories
/// without the contents of their files, those are looked up even so. When the target turns out to have a part of the directories only,
/// they are stored anew. Of a cache that writes far, it is the far store that must have something for it to be skipped; see <see
/// cref="CacheWrites"/>.</para>
/// <para><b>Order.</b> Blobs, then directories, then the path infos of references, then the path info. So a copy that is interrupted, by
/// whatever, leaves no store path visible that is not complete, unless references are left out (<see
/// cref="CopyOptions.IncludeReferences"/>). To go on, copy again: what has been stored is skipped. Where references form a cycle, which
/// only a broken store has (but for paths that refer to themselves), the path that was reached first is stored last.</para>
/// <para><b>Path infos</b> are copied as they are: signatures, deriver and content address. When the target has one that says the same,
/// it stays, and gets the signatures that only the source has. When the two differ in name, contents, NAR or references, that is a <see
/// cref="StorePathConflictException"/> before anything is copied, or the source's replaces it (<see cref="CopyOptions.Overwrite"/>). When
/// they differ in deriver or content address only, the target's stays.</para>
/// <para><b>Memory.</b> <see cref="CopyOptions.BufferBytes"/> for blobs, the directories of <see cref="CopyOptions.ConcurrentPaths"/>
/// trees, the path infos of the whole closure, and the digests of some hundred thousand blobs.</para>
/// <para>Copies can run at the same time, from several processes too.</para>
/// </remarks>
public sealed class StoreCopier
{
    private readonly TvixStore _source;
    private readonly TvixStore _target;
    private readonly CopyOptions _options;

    /// <summary>Makes a copier.</summary>
    /// <param name="source">Where store paths are read. It stays the caller's.</param>
    /// <param name="target">Where they go. It stays the caller's.</param>
    /// <param name="options">What is copied; <see langword="null"/> for the defaults. Later changes do not count.</param>
    /// <exception cref="ArgumentException">The stores have different store directories: their store paths have nothing in common.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number among the options is out of range.</exception>
    public StoreCopier(TvixStore source, TvixStore target, CopyOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        if (source.StoreDirectory != target.StoreDirectory)
        {
            throw new ArgumentException(
                $"The store directories differ: '{source.StoreDirectory}' in the source, '{target.StoreDirectory}' in the target.", nameof(target));
        }

        // What has archives instead of contents takes them from, or puts them, where the other has its contents: nothing is stored twice.
        _target = target.WithContentsOf(source);
        _source = source.WithContentsOf(_target);
        _options = (options ?? new CopyOptions()).Validated();
    }

    /// <summary>Copies store paths. Completes when they are in the target, as durably as that can.</summary>
    /// <param name="paths">The store paths; only their digests select.</param>
    /// <param name="progress">Is told how far the copy has come, one report at a time, from any thread.</param>
    /// <param name="cancellationToken">Ends the copy.</param>
    /// <exception cref="StorageException">
    /// The source lacks a path that was asked for, one that is referred to and that the target lacks too, or a part of a path's contents;
    /// the message names it and who needs it. Or a service failed.
    /// </exception>
    /// <exception cref="DigestMismatchException">Something is damaged in the source, or the target stored something else than it was given.</exception>
    /// <exception cref="InvalidDirectoryException">A directory of the source, or a tree as a whole, breaks a rule.</exception>
    /// <exception cref="StorePathConflictException">The target has other contents, or references, for a store path.</exception>
    public Task<CopyResult> CopyAsync(
        IEnumerable<StorePath> paths, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return CopyAsync([.. paths.Select(path => new CopyPlan.Wanted(path, null, null))], progress, cancellationToken);
    }

    /// <summary>Copies all store paths that the source has. Those that are stored there meanwhile may be left out.</summary>
    /// <inheritdoc cref="CopyAsync(IEnumerable{StorePath}, IProgress{CopyProgress}?, CancellationToken)"/>
    /// <exception cref="NotSupportedException">The source cannot list its store paths.</exception>
    public async Task<CopyResult> CopyAllAsync(IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        List<CopyPlan.Wanted> all = [];
        if (ServiceCapabilities.Find<INarInfoService>(_source.PathInfos) is { } narInfos)
        {
            // Only what is copied is fetched.
            await foreach (StorePathDigest digest in narInfos.ListDigestsAsync(cancellationToken).ConfigureAwait(false))
            {
                if (await narInfos.GetNarInfoAsync(digest, cancellationToken).ConfigureAwait(false) is { } narInfo)
                {
                    all.Add(new CopyPlan.Wanted(narInfo.StorePath, null, null));
                }
            }

            all.Sort((a, b) => a.Path.CompareTo(b.Path));
            return await CopyAsync(all, progress, cancellationToken).ConfigureAwait(false);
        }

        await foreach (PathInfo info in _source.PathInfos.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            all.Add(new CopyPlan.Wanted(info.StorePath, info, null));
        }

        // A listing is in no particular order, the copy is.
        all.Sort((a, b) => a.Path.CompareTo(b.Path));
        return await CopyAsync(all, progress, cancellationToken).ConfigureAwait(false);
    }

    private async Task<CopyResult> CopyAsync(List<CopyPlan.Wanted> roots, IProgress<CopyProgress>? progress, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        IReadOnlyList<PlannedPath> plan = await new CopyPlan(_source, _target, _options).MakeAsync(roots, cancellationToken).ConfigureAwait(false);
        CopyCounters counters = new(progress) { PathsTotal = plan.Count };
        await new CopyRun(_source, _target, _options, counters).RunAsync(plan, cancellationToken).ConfigureAwait(false);
        StorePath[] copied = [.. plan.Where(path => path.IsCopied).Select(path => path.StorePath)];
        return new CopyResult
        {
            CopiedPaths = copied,
            PathsAlreadyThere = plan.Count - copied.Length,
            PathsSigned = plan.Count(path => path is { IsCopied: false, ToPut: not null }),
            Directories = counters.Directories,
            Blobs = counters.Blobs,
            BytesCopied = counters.BytesCopied,
            BytesSaved = counters.BytesSaved,
        };
    }
}
