using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>Keeps path infos in memory, without bound, until the process ends.</summary>
public sealed class MemoryPathInfoService : IPathInfoService
{
    private readonly ConcurrentDictionary<StorePathDigest, PathInfo> _pathInfos = new();

    /// <inheritdoc/>
    public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<PathInfo?>(_pathInfos.GetValueOrDefault(digest));
    }

    /// <inheritdoc/>
    public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pathInfo);
        cancellationToken.ThrowIfCancellationRequested();
        _pathInfos[pathInfo.StorePath.Digest] = pathInfo;
        return new ValueTask<PathInfo>(pathInfo);
    }

    /// <inheritdoc/>
    /// <remarks>Holds no lock, so a slow reader hinders nobody.</remarks>
    public async IAsyncEnumerable<PathInfo> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.CompletedTask.ConfigureAwait(false); // there is nothing to wait for
        foreach ((_, PathInfo pathInfo) in _pathInfos)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return pathInfo;
        }
    }
}
