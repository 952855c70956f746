using System.Runtime.CompilerServices;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.BinaryCaches;

/// <summary>A binary cache as a path info service over a blob and a directory service, which its contents are brought into, and are read from for uploads.</summary>
/// <remarks>
/// <para>A path info says what the root of the contents is, which a binary cache does not: so <see cref="GetAsync"/> fetches the NAR, unless one with the same hash was
/// fetched lately and is still there. What can be told without is told by the members of <see cref="INarInfoService"/>.</para>
/// <para>Put a <see cref="CachingPathInfoService"/> before it, whose near services have the same blobs and directories, and what was fetched once is never fetched again. Who
/// asks for the same path at the same time shares one fetch.</para>
/// </remarks>
public sealed class BinaryCachePathInfoService : IPathInfoService, INarInfoService
{
    private readonly BinaryCache _cache;
    private readonly IBlobService _blobs;
    private readonly IDirectoryService _directories;
    private readonly SingleFlight<StorePathDigest, PathInfo?> _fetches = new();
    private readonly Lock _joining = new();
    private readonly Dictionary<StorePathDigest, NarSpool> _spools = []; // of the fetches that are under way; guarded by _joining
    private readonly LruCache<Sha256Digest, (NarInfo NarInfo, Node Root)> _fetched;
    private readonly SemaphoreSlim _slots;
    private readonly SemaphoreSlim _initializing = new(1, 1);
    private bool _isInitialized;

    /// <summary>Makes it.</summary>
    /// <param name="cache">The client of the cache.</param>
    /// <param name="blobs">Where blobs are brought, and read from for uploads.</param>
    /// <param name="directories">Where directories are brought, and read from for uploads.</param>
    public BinaryCachePathInfoService(BinaryCache cache, IBlobService blobs, IDirectoryService directories)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(blobs);
        ArgumentNullException.ThrowIfNull(directories);
        _cache = cache;
        _blobs = blobs;
        _directories = directories;
        _fetched = new LruCache<Sha256Digest, (NarInfo, Node)>(cache.Options.KnownPaths);
        _slots = new SemaphoreSlim(cache.Options.ConcurrentFetches);
    }

    /// <inheritdoc/>
    /// <remarks>Fetches the contents if they are not here.</remarks>
    /// <exception cref="RefusedStorePathException">What the cache offers is not acceptable.</exception>
    public async ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default) =>
        await _cache.FindNarInfoAsync(digest, cancellationToken).ConfigureAwait(false) is null
            ? null
            : await FetchAsync(digest, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<PathInfo?> FindAsync(StorePathDigest digest, CancellationToken cancellationToken = default) =>
        await _cache.FindNarInfoAsync(digest, cancellationToken).ConfigureAwait(false) is { } narInfo
            ? await FindFetchedAsync(narInfo, cancellationToken).ConfigureAwait(false)
            : null;

    /// <inheritdoc/>
    /// <exception cref="RefusedStorePathException">What the cache offers is not acceptable.</exception>
    public ValueTask<NarInfo?> GetNarInfoAsync(StorePathDigest digest, CancellationToken cancellationToken = default) =>
        _cache.FindNarInfoAsync(digest, cancellationToken);

    /// <inheritdoc/>
    /// <remarks>The NAR is in a file that has no name meanwhile, see <see cref="BinaryCacheOptions.TemporaryFolder"/>, so that a slow reader hinders nobody.</remarks>
    /// <exception cref="RefusedStorePathException">What the cache offers is not acceptable.</exception>
    public async ValueTask<Stream?> OpenNarAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        if (await _cache.FindNarInfoAsync(digest, cancellationToken).ConfigureAwait(false) is not { } narInfo
            || await FindFetchedAsync(narInfo, cancellationToken).ConfigureAwait(false) is not null)
        {
            return null;
        }

        CancellationTokenSource stop = new(); // who reads is who waits for the fetch
        HeldBackStream? result = null;
        Stream? reader = null;
        try
        {
            (Task<PathInfo?> fetch, NarSpool? spool) = JoinFetch(digest, stop.Token, out reader, wantsNar: true);
            if (reader is null || !await spool!.Begun.WaitAsync(cancellationToken).ConfigureAwait(false))
            {
                await fetch.WaitAsync(cancellationToken).ConfigureAwait(false);
                return null; // it was under way without anybody listening, or nothing had to come
            }

            return result = new HeldBackStream(reader, (long)narInfo.NarSize, fetch, stop);
        }
        finally
        {
            if (result is null)
            {
                await stop.CancelAsync().ConfigureAwait(false);
                stop.Dispose();
                reader?.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>Uploads the contents if the cache does not have them.</remarks>
    public async ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pathInfo);
        await InitializeAsync(cancellationToken).ConfigureAwait(false);
        return await _cache.UploadAsync(pathInfo, _blobs, _directories, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <remarks>Fetches all contents that are not here.</remarks>
    public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) =>
        FetchAllAsync(_cache.ListAsync(cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<StorePathDigest> ListDigestsAsync(CancellationToken cancellationToken = default) => _cache.ListAsync(cancellationToken);

    /// <summary>The number by which the cache is asked before or after others; the lowest is the first.</summary>
    /// <exception cref="StorageException">The cache was to say itself, and cannot be reached.</exception>
    internal async ValueTask<int> GetPriorityAsync(CancellationToken cancellationToken) =>
        _cache.Options.Priority ?? (await _cache.GetCacheInfoAsync(cancellationToken).ConfigureAwait(false))?.Priority ?? 0;

    private async IAsyncEnumerable<PathInfo> FetchAllAsync(
        IAsyncEnumerable<StorePathDigest> digests, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (StorePathDigest digest in digests.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            if (await GetAsync(digest, cancellationToken).ConfigureAwait(false) is { } info)
            {
                yield return info;
            }
        }
    }

    private Task<PathInfo?> FetchAsync(StorePathDigest digest, CancellationToken cancellationToken) => JoinFetch(digest, cancellationToken, out _).Fetch;

    /// <summary>Begins to fetch, or joins those who wait for the same.</summary>
    /// <returns>
    /// The fetch, and what its NAR goes through; <see langword="null"/> when that is past. It is that of this very fetch, never of one that was given up and has not ended yet:
    /// what that leaves behind is no NAR.
    /// </returns>
    private (Task<PathInfo?> Fetch, NarSpool? Spool) JoinFetch(
        StorePathDigest digest, CancellationToken cancellationToken, out Stream? reader, bool wantsNar = false)
    {
        lock (_joining)
        {
            Stream? first = null;
            Task<PathInfo?> fetch = _fetches.RunAsync(
                digest,
                token =>
                {
                    NarSpool begun = new(_cache.Options.TemporaryFolder);
                    _spools[digest] = begun;
                    first = wantsNar ? begun.TryOpenRead() : null; // before it turns out that nobody listens
                    return Task.Run(() => FetchOnceAsync(digest, begun, token), CancellationToken.None); // not under the lock
                },
                cancellationToken);
            NarSpool? spool = _spools.GetValueOrDefault(digest);
            reader = first ?? (wantsNar ? spool?.TryOpenRead() : null);
            return (fetch, spool);
        }
    }

    private async Task<PathInfo?> FetchOnceAsync(StorePathDigest digest, NarSpool spool, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            if (await _cache.FindNarInfoAsync(digest, cancellationToken).ConfigureAwait(false) is not { } narInfo)
            {
                return null;
            }

            await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (await FindFetchedAsync(narInfo, cancellationToken).ConfigureAwait(false) is { } known)
                {
                    return known;
                }

                PathInfo info = await _cache.FetchAsync(narInfo, _blobs, _directories, spool, cancellationToken).ConfigureAwait(false);
                _fetched.Set(info.NarHash, (narInfo, info.Node));
                return info;
            }
            finally
            {
                _slots.Release();
            }
        }
        catch (Exception e)
        {
            failure = e;
            throw;
        }
        finally
        {
            lock (_joining)
            {
                if (_spools.GetValueOrDefault(digest) == spool)
                {
                    _spools.Remove(digest);
                }
            }

            spool.End(failure);
        }
    }

    /// <summary>What was fetched lately and is still there.</summary>
    private async ValueTask<PathInfo?> FindFetchedAsync(NarInfo narInfo, CancellationToken cancellationToken)
    {
        if (!_fetched.TryGet(narInfo.NarHash, out (NarInfo NarInfo, Node Root) fetched) || !IsProvedBy(narInfo, fetched.NarInfo))
        {
            return null;
        }

        Node root = fetched.Root;

        bool isThere = root switch
        {
            Node.Directory directory => await _directories.GetAsync(directory.Digest, cancellationToken).ConfigureAwait(false) is not null,
            Node.File file => await _blobs.HasAsync(file.Digest, cancellationToken).ConfigureAwait(false),
            _ => true,
        };
        return isThere ? PathInfo.FromNarInfo(narInfo, root) : null;
    }

    /// <summary>
    /// Whether a NAR that was verified for one narinfo is right for another one, which has the same hash. It need not be when that says a length or a content address that the NAR
    /// was not compared with: an address is all that vouches for what is not signed.
    /// </summary>
    private static bool IsProvedBy(NarInfo narInfo, NarInfo verified) =>
        narInfo.NarSize == verified.NarSize
        && (narInfo.ContentAddress is null
            || (narInfo.ContentAddress == verified.ContentAddress
                && (narInfo.StorePath == verified.StorePath || !(IsSelfReferring(narInfo) || IsSelfReferring(verified)))));

    private static bool IsSelfReferring(NarInfo narInfo) => narInfo.References.Contains(narInfo.StorePath);

    private async ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _isInitialized))
        {
            return;
        }

        await _initializing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _cache.InitializeAsync(cancellationToken).ConfigureAwait(false);
            Volatile.Write(ref _isInitialized, true);
        }
        finally
        {
            _initializing.Release();
        }
    }
}
