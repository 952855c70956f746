using Tvix.Castore;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>Stores path infos under the digest of their store path.</summary>
/// <remarks>
/// All members may be called concurrently. What is not there is a normal answer; stored data that is damaged is an
/// <see cref="InvalidPathInfoException"/>, a backend that cannot answer a <see cref="StorageException"/>.
/// </remarks>
public interface IPathInfoService
{
    /// <summary>
    /// The path info; <see langword="null"/> when the store does not have it. Only the digest selects, the name does not count.
    /// </summary>
    ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default);

    /// <summary>
    /// Stores a path info, in place of one that is there under the same digest. When this returns, it is stored as durably as the backend
    /// can.
    /// </summary>
    /// <returns>What was stored: the same, maybe with more signatures at the end. Callers go on with this one.</returns>
    /// <remarks>Nothing beyond the form is checked: not the contents, not the references, not the signatures.</remarks>
    /// <exception cref="NotSupportedException">The backend cannot be written to.</exception>
    ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default);

    /// <summary>All path infos, in no particular order. What is stored or removed meanwhile may be among them or not.</summary>
    /// <exception cref="NotSupportedException">The backend cannot list; thrown by the call itself.</exception>
    IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default);
}
