using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>Stores directories under the BLAKE3 digest of their canonical encoding.</summary>
/// <remarks>
/// All members may be called concurrently. What is not there is a normal answer; data that is damaged or breaks the format is a
/// <see cref="DigestMismatchException"/> or <see cref="InvalidDirectoryException"/>, a backend that cannot answer a
/// <see cref="StorageException"/>.
/// </remarks>
public interface IDirectoryService
{
    /// <summary>The directory, verified against its digest and valid; <see langword="null"/> when the store does not have it.</summary>
    /// <remarks>Some backends find only directories that were the root of an upload.</remarks>
    ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default);

    /// <summary>Stores one directory. Whether its children are there is not checked, though some backends store leaves only.</summary>
    /// <returns>Its digest.</returns>
    /// <exception cref="NotSupportedException">The backend stores only whole closures, and this directory has child
    /// directories.</exception>
    ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default);

    /// <summary>
    /// A directory and all below it: the root first, every other only after one that refers to it, each once. Empty when the root is not
    /// there.
    /// </summary>
    /// <exception cref="StorageException">A directory that is referred to is missing.</exception>
    IAsyncEnumerable<CastoreDirectory> GetClosureAsync(B3Digest root, CancellationToken cancellationToken = default) =>
        DirectoryTraversal.BreadthFirstAsync(this, root, cancellationToken);

    /// <summary>Starts the upload of a closure, leaves first. Nothing is stored before it is completed.</summary>
    /// <returns>A putter, which the caller disposes; disposing it without completing it discards the upload.</returns>
    DirectoryPutter OpenPutter() => new SimpleDirectoryPutter(this);
}
