using System.Collections.Concurrent;
using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>
/// Keeps directories in memory, in their canonical encoding, for as long as the service lives. Meant for tests and small caches.
/// </summary>
public sealed class MemoryDirectoryService : IDirectoryService
{
    private readonly ConcurrentDictionary<B3Digest, byte[]> _directories = new();

    /// <inheritdoc/>
    public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(
            _directories.TryGetValue(digest, out byte[]? message) ? CastoreDirectory.DecodeVerified(digest, message, "in memory") : null);
    }

    /// <inheritdoc/>
    public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        cancellationToken.ThrowIfCancellationRequested();
        if (!_directories.ContainsKey(directory.Digest))
        {
            _directories.TryAdd(directory.Digest, directory.EncodedSpan.ToArray());
        }

        return new(directory.Digest);
    }
}
