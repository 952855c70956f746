using System.Runtime.CompilerServices;
using Tvix.Castore;
using Tvix.Castore.Composition;
using Tvix.Castore.Telemetry;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>Reads from a near service; what that does not have is fetched from a far one and stored near. Writes go where one chooses.
/// Spec: store-services §1.6.7.</summary>
/// <remarks>
/// <para>A path info that was fetched is near before its contents are: these come when they are read, through the caches of blobs and
/// directories beside this one. Who uses the near services without those finds path infos whose contents are not there. What is written
/// with <see cref="CacheWrites.Both"/> goes far first and then near, after its contents, so that the far side has no path info without
/// contents. The near one may: contents that far had already are not written again, but come near when they are read.</para>
/// <para>A path info may change (it gains signatures); what is near counts. Replacing one through the cache replaces it near as well, also with
/// <see cref="CacheWrites.Far"/>. What somebody else changes far away is not seen while an older one is near.</para>
/// <para>Readers who miss the same path info at the same time share one fetch, which is cancelled when none of them waits any more. Neither
/// absence nor failure is remembered. Only absence leads from near to far: a service that fails is not passed over.</para>
/// <para>When the far service knows narinfos (<see cref="INarInfoService"/>), as that of a binary cache does, what can be told without fetching contents is told so.</para>
/// </remarks>
public sealed class CachingPathInfoService : IPathInfoService, INarInfoService, IWrittenElsewhere<IPathInfoService>
{
    private const int Stripes = 32;

    private readonly IPathInfoService _near;
    private readonly IPathInfoService _far;
    private readonly CacheWrites _writes;
    private readonly INarInfoService? _farNarInfos;
    private readonly SingleFlight<StorePathDigest, PathInfo?> _fetches = new();
    private readonly NearWrites[] _nearWrites = [.. Enumerable.Range(0, Stripes).Select(static _ => new NearWrites())];

    /// <summary>Makes a cache.</summary>
    /// <param name="near">Asked first, and filled with what is read from <paramref name="far"/>.</param>
    /// <param name="far">Asked for what <paramref name="near"/> does not have.</param>
    /// <param name="writes">Where path infos go that are written.</param>
    public CachingPathInfoService(IPathInfoService near, IPathInfoService far, CacheWrites writes = CacheWrites.Near)
    {
        ArgumentNullException.ThrowIfNull(near);
        ArgumentNullException.ThrowIfNull(far);
        writes.ThrowIfUndefined();
        _near = near;
        _far = far;
        _writes = writes;
        _farNarInfos = ServiceCapabilities.Find<INarInfoService>(far);
    }

    /// <summary>The service that lists without fetching anything: this one, or the near one if the far one has to fetch contents for path infos.</summary>
    internal IPathInfoService ListedWithoutFetching => _farNarInfos is null ? this : _near;

    internal CacheLookups Lookups { get; } = new("path_info");

    IPathInfoService IWrittenElsewhere<IPathInfoService>.WrittenTo => _writes == CacheWrites.Near ? this : ServiceCapabilities.WrittenTo(_far);

    /// <inheritdoc/>
    public async ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        PathInfo? pathInfo = await _near.GetAsync(digest, cancellationToken).ConfigureAwait(false);
        Lookups.Count(pathInfo is not null);
        return pathInfo ?? await _fetches.RunAsync(digest, token => FetchAsync(digest, token), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<PathInfo?> FindAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        if (_farNarInfos is null)
        {
            return await GetAsync(digest, cancellationToken).ConfigureAwait(false); // takes no contents
        }

        PathInfo? pathInfo = await _near.GetAsync(digest, cancellationToken).ConfigureAwait(false);
        Lookups.Count(pathInfo is not null);
        return pathInfo;
    }

    /// <inheritdoc/>
    public async ValueTask<NarInfo?> GetNarInfoAsync(StorePathDigest digest, CancellationToken cancellationToken = default) =>
        await FindAsync(digest, cancellationToken).ConfigureAwait(false) is { } known ? known.ToNarInfo(BinaryCacheFileName.FormatCastoreNar(known.Node, known.NarSize))
        : _farNarInfos is not null ? await _farNarInfos.GetNarInfoAsync(digest, cancellationToken).ConfigureAwait(false)
        : null;

    /// <inheritdoc/>
    /// <remarks>When all of the NAR was read, the path info is near.</remarks>
    public async ValueTask<Stream?> OpenNarAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        if (_farNarInfos is null
            || await _near.GetAsync(digest, cancellationToken).ConfigureAwait(false) is not null
            || await _farNarInfos.GetNarInfoAsync(digest, cancellationToken).ConfigureAwait(false) is not { } narInfo
            || await _farNarInfos.OpenNarAsync(digest, cancellationToken).ConfigureAwait(false) is not { } nar)
        {
            return null;
        }

        CancellationTokenSource stop = new();
        return new HeldBackStream(nar, (long)narInfo.NarSize, _fetches.RunAsync(digest, token => FetchAsync(digest, token), stop.Token), stop);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<StorePathDigest> ListDigestsAsync(CancellationToken cancellationToken = default)
    {
        IAsyncEnumerable<StorePathDigest> near = DigestsOf(_near.ListAsync(cancellationToken), cancellationToken);
        IAsyncEnumerable<StorePathDigest> far = _farNarInfos is null
            ? DigestsOf(_far.ListAsync(cancellationToken), cancellationToken)
            : _farNarInfos.ListDigestsAsync(cancellationToken);
        return MergeAsync(near, far, static digest => digest, cancellationToken);
    }

    private static async IAsyncEnumerable<StorePathDigest> DigestsOf(
        IAsyncEnumerable<PathInfo> pathInfos, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (PathInfo pathInfo in pathInfos.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            yield return pathInfo.StorePath.Digest;
        }
    }

    /// <inheritdoc/>
    /// <returns>What was stored, in the service that is asked first from now on.</returns>
    public async ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pathInfo);
        StorePathDigest digest = pathInfo.StorePath.Digest;
        if (_writes != CacheWrites.Near)
        {
            pathInfo = await _far.PutAsync(pathInfo, cancellationToken).ConfigureAwait(false);
            cancellationToken = CancellationToken.None; // or else an older one might stay near
        }

        NearWrites writes = NearWritesOf(digest);
        await writes.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            writes.Count++;
            return _writes == CacheWrites.Far && await _near.GetAsync(digest, cancellationToken).ConfigureAwait(false) is null
                ? pathInfo
                : await _near.PutAsync(pathInfo, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            writes.Gate.Release();
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Those that are near, and then what the far service has more, unless it would have to fetch contents for that, as a binary cache has to. Nothing is stored near. The digests of those that are near are
    /// remembered meanwhile: 20 bytes each, and what a set adds to that.
    /// </remarks>
    public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default)
    {
        IAsyncEnumerable<PathInfo> near = _near.ListAsync(cancellationToken);
        if (_farNarInfos is not null)
        {
            return near; // to list what is far would be to fetch it all
        }

        IAsyncEnumerable<PathInfo> far = _far.ListAsync(cancellationToken);
        return MergeAsync(near, far, static pathInfo => pathInfo.StorePath.Digest, cancellationToken);
    }

    private static async IAsyncEnumerable<T> MergeAsync<T>(
        IAsyncEnumerable<T> near, IAsyncEnumerable<T> far, Func<T, StorePathDigest> digestOf, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        HashSet<StorePathDigest> seen = [];
        await foreach (T item in near.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            seen.Add(digestOf(item));
            yield return item;
        }

        await foreach (T item in far.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            if (!seen.Contains(digestOf(item)))
            {
                yield return item;
            }
        }
    }

    /// <summary>Brings a path info from far to near, unless one is put meanwhile, which is newer.</summary>
    private async Task<PathInfo?> FetchAsync(StorePathDigest digest, CancellationToken cancellationToken)
    {
        NearWrites writes = NearWritesOf(digest);
        while (true)
        {
            long before = writes.Count;
            PathInfo? fetched = await _far.GetAsync(digest, cancellationToken).ConfigureAwait(false);
            await writes.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (await _near.GetAsync(digest, cancellationToken).ConfigureAwait(false) is { } known)
                {
                    return known;
                }

                if (fetched is null)
                {
                    return null;
                }

                if (writes.Count == before)
                {
                    return await _near.PutAsync(fetched, cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                writes.Gate.Release();
            }
        }
    }

    private NearWrites NearWritesOf(StorePathDigest digest) => _nearWrites[(uint)digest.GetHashCode() % Stripes];

    /// <summary>Lets the path infos of some digests be written near one after another, and tells whether any was put since.</summary>
    private sealed class NearWrites
    {
        private long _count;

        public SemaphoreSlim Gate { get; } = new(1, 1);

        public long Count
        {
            get => Volatile.Read(ref _count);
            set => Volatile.Write(ref _count, value);
        }
    }
}
