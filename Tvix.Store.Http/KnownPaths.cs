using Tvix.Castore;
using Tvix.Castore.Composition;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http;

/// <summary>What is known of store paths, without fetching contents for it where the store has to get them from elsewhere.</summary>
internal sealed class KnownPaths(TvixStore store)
{
    private readonly INarInfoService? _narInfos = ServiceCapabilities.Find<INarInfoService>(store.PathInfos);

    /// <summary>The path info, if its contents are here; <see langword="null"/> when there is none.</summary>
    public ValueTask<PathInfo?> FindAsync(StorePathDigest digest, CancellationToken cancellationToken) =>
        _narInfos is null ? store.PathInfos.GetAsync(digest, cancellationToken) : _narInfos.FindAsync(digest, cancellationToken);

    /// <summary>All path infos whose contents are here, in no particular order.</summary>
    /// <exception cref="NotSupportedException">There is no list, or only one that fetches contents.</exception>
    public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken) =>
        ServiceCapabilities.Find<CachingPathInfoService>(store.PathInfos) is { } cache ? cache.ListedWithoutFetching.ListAsync(cancellationToken)
        : _narInfos is null ? store.PathInfos.ListAsync(cancellationToken)
        : throw new NotSupportedException("What is there cannot be listed without fetching it.");

    /// <summary>The narinfo of what can be fetched; <see langword="null"/> when nothing can.</summary>
    public ValueTask<NarInfo?> GetNarInfoAsync(StorePathDigest digest, CancellationToken cancellationToken) =>
        _narInfos is null ? new ValueTask<NarInfo?>((NarInfo?)null) : _narInfos.GetNarInfoAsync(digest, cancellationToken);

    /// <summary>The NAR of what is being fetched, while it comes; <see langword="null"/> when it is here, or cannot be had so.</summary>
    public ValueTask<Stream?> OpenNarAsync(StorePathDigest digest, CancellationToken cancellationToken) =>
        _narInfos is null ? new ValueTask<Stream?>((Stream?)null) : _narInfos.OpenNarAsync(digest, cancellationToken);

    /// <summary>The path info with its contents, which are fetched if they are not here; <see langword="null"/> when there is none.</summary>
    public ValueTask<PathInfo?> FetchAsync(StorePathDigest digest, CancellationToken cancellationToken) => store.PathInfos.GetAsync(digest, cancellationToken);

    /// <summary>Whether there is a store path, here or where it can be fetched from.</summary>
    public async ValueTask<bool> HasAsync(StorePath path, CancellationToken cancellationToken)
    {
        try
        {
            return ((await FindAsync(path.Digest, cancellationToken).ConfigureAwait(false))?.StorePath
                ?? (await GetNarInfoAsync(path.Digest, cancellationToken).ConfigureAwait(false))?.StorePath) == path;
        }
        catch (RefusedStorePathException)
        {
            return false; // it can never be fetched
        }
    }
}
