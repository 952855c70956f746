using System.Runtime.CompilerServices;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>
/// Keeps the path infos in memory that were stored or asked for last, and forgets the others.
/// </summary>
public sealed class LruPathInfoService : IPathInfoService
{
    private readonly Lock _lock = new();
    private readonly Dictionary<StorePathDigest, LinkedListNode<PathInfo>> _byDigest = [];
    private readonly LinkedList<PathInfo> _byUse = []; // the most recent first
    private readonly int _capacity;

    /// <summary>Makes a cache.</summary>
    /// <param name="capacity">How many path infos are kept; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="capacity"/> is not positive.</exception>
    public LruPathInfoService(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        _capacity = capacity;
    }

    /// <inheritdoc/>
    /// <remarks>Makes the path info the most recently used.</remarks>
    public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (!_byDigest.TryGetValue(digest, out LinkedListNode<PathInfo>? node))
            {
                return new ValueTask<PathInfo?>((PathInfo?)null);
            }

            _byUse.Remove(node);
            _byUse.AddFirst(node);
            return new ValueTask<PathInfo?>(node.Value);
        }
    }

    /// <inheritdoc/>
    /// <remarks>Forgets the least recently used path info when there are too many.</remarks>
    public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pathInfo);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (_byDigest.Remove(pathInfo.StorePath.Digest, out LinkedListNode<PathInfo>? old))
            {
                _byUse.Remove(old);
            }
            else if (_byUse.Count == _capacity)
            {
                _byDigest.Remove(_byUse.Last!.Value.StorePath.Digest);
                _byUse.RemoveLast();
            }

            _byDigest.Add(pathInfo.StorePath.Digest, _byUse.AddFirst(pathInfo));
        }

        return new ValueTask<PathInfo>(pathInfo);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// From the most to the least recently used, as it was when the reading began; listing uses nothing. A slow reader hinders nobody.
    /// </remarks>
    public async IAsyncEnumerable<PathInfo> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.CompletedTask.ConfigureAwait(false); // there is nothing to wait for
        PathInfo[] snapshot;
        lock (_lock)
        {
            snapshot = [.. _byUse];
        }

        foreach (PathInfo pathInfo in snapshot)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return pathInfo;
        }
    }
}
