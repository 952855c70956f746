using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Tvix.Castore;
using Tvix.Castore.Composition;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>Several services as one: each is asked for what those before it do not have. Made for several binary caches.</summary>
/// <remarks>
/// <para>The services are asked in the order that they are given in; but binary caches by their priorities, the lowest number first (<see cref="NixCacheInfo.Priority"/>), which
/// they say themselves when they are first asked.</para>
/// <para>A service that fails, or whose answer is refused (<see cref="RefusedStorePathException"/>), is passed over; when no other has the path info either, its exception is thrown.</para>
/// </remarks>
public sealed class CombinedPathInfoService : IPathInfoService, INarInfoService
{
    private readonly IPathInfoService[] _services;
    private volatile IPathInfoService[]? _ordered;

    /// <summary>Combines services.</summary>
    /// <param name="services">The services, at least one.</param>
    public CombinedPathInfoService(IEnumerable<IPathInfoService> services)
    {
        ArgumentNullException.ThrowIfNull(services);
        _services = [.. services];
        if (_services.Length == 0 || _services.Contains(null))
        {
            throw new ArgumentException("There must be at least one service, and none may be null.", nameof(services));
        }
    }

    /// <inheritdoc/>
    public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default) =>
        FirstAsync((service, token) => service.GetAsync(digest, token), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<PathInfo?> FindAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        Known? known = await FirstAsync(
            async (service, token) =>
            {
                INarInfoService? narInfos = ServiceCapabilities.Find<INarInfoService>(service);
                PathInfo? info = await (narInfos is null ? service.GetAsync(digest, token) : narInfos.FindAsync(digest, token)).ConfigureAwait(false);

                // One that would have to fetch the contents has the path all the same, and makes good for those that failed.
                bool has = info is not null || (narInfos is not null && await narInfos.GetNarInfoAsync(digest, token).ConfigureAwait(false) is not null);
                return has ? new Known(info) : null;
            },
            cancellationToken).ConfigureAwait(false);
        return known?.Info;
    }

    /// <inheritdoc/>
    public ValueTask<NarInfo?> GetNarInfoAsync(StorePathDigest digest, CancellationToken cancellationToken = default) => FirstAsync(
        (service, token) => ServiceCapabilities.Find<INarInfoService>(service) is { } narInfos ? narInfos.GetNarInfoAsync(digest, token) : new ValueTask<NarInfo?>((NarInfo?)null),
        cancellationToken);

    /// <inheritdoc/>
    /// <remarks>When the first that has the store path fails, others are asked that have the same NAR.</remarks>
    public async ValueTask<Stream?> OpenNarAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        Sha256Digest? narHash = null;
        Opened? opened = await FirstAsync(
            async (service, token) =>
            {
                if (ServiceCapabilities.Find<INarInfoService>(service) is not { } narInfos
                    || await narInfos.GetNarInfoAsync(digest, token).ConfigureAwait(false) is not { } narInfo
                    || narInfo.NarHash != (narHash ??= narInfo.NarHash))
                {
                    return null;
                }

                return new Opened(await narInfos.OpenNarAsync(digest, token).ConfigureAwait(false));
            },
            cancellationToken).ConfigureAwait(false);
        return opened?.Nar;
    }

    /// <inheritdoc/>
    /// <remarks>Into the first of those that were given.</remarks>
    public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default) => _services[0].PutAsync(pathInfo, cancellationToken);

    /// <inheritdoc/>
    /// <remarks>The digests are remembered meanwhile: 20 bytes each, and what a set adds to that.</remarks>
    public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) =>
        MergeAsync([.. _services.Select(service => service.ListAsync(cancellationToken))], static info => info.StorePath.Digest, cancellationToken);

    /// <inheritdoc/>
    /// <remarks>Of those services that know narinfos. The digests are remembered meanwhile: 20 bytes each, and what a set adds to that.</remarks>
    public IAsyncEnumerable<StorePathDigest> ListDigestsAsync(CancellationToken cancellationToken = default) => MergeAsync(
        [.. _services.Select(ServiceCapabilities.Find<INarInfoService>).OfType<INarInfoService>().Select(service => service.ListDigestsAsync(cancellationToken))],
        static digest => digest,
        cancellationToken);

    private static async IAsyncEnumerable<T> MergeAsync<T>(
        IAsyncEnumerable<T>[] lists, Func<T, StorePathDigest> digestOf, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        HashSet<StorePathDigest> seen = [];
        foreach (IAsyncEnumerable<T> list in lists)
        {
            await foreach (T item in list.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                if (seen.Add(digestOf(item)))
                {
                    yield return item;
                }
            }
        }
    }

    private async ValueTask<T?> FirstAsync<T>(Func<IPathInfoService, CancellationToken, ValueTask<T?>> ask, CancellationToken cancellationToken)
        where T : class
    {
        Exception? failure = null;
        foreach (IPathInfoService service in _ordered ?? await OrderAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                if (await ask(service, cancellationToken).ConfigureAwait(false) is { } found)
                {
                    return found;
                }
            }
            catch (Exception e) when (e is StorageException or RefusedStorePathException)
            {
                failure ??= e;
            }
        }

        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }

        return null;
    }

    /// <summary>Puts the services in the order in which they are asked. One that does not answer comes last, and is asked again the next time.</summary>
    private async ValueTask<IPathInfoService[]> OrderAsync(CancellationToken cancellationToken)
    {
        int[] priorities = new int[_services.Length];
        bool isFinal = true;
        await Task.WhenAll(_services.Select(async (service, i) =>
        {
            try
            {
                if (service is BinaryCachePathInfoService cache)
                {
                    priorities[i] = await cache.GetPriorityAsync(cancellationToken).ConfigureAwait(false);
                }
            }
            catch (StorageException)
            {
                priorities[i] = int.MaxValue;
                isFinal = false;
            }
        })).ConfigureAwait(false);
        IPathInfoService[] ordered = [.. _services.Select((service, i) => (service, i)).OrderBy(item => priorities[item.i]).Select(item => item.service)];
        _ordered = isFinal ? ordered : null;
        return ordered;
    }

    private sealed record Known(PathInfo? Info);

    private sealed record Opened(Stream? Nar);
}
