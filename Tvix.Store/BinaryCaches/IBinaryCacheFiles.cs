using Tvix.Castore;
using Tvix.Store.Nix;

namespace Tvix.Store.BinaryCaches;

/// <summary>The files of a binary cache, wherever they are: what <see cref="BinaryCache"/> reads and writes. Spec: nix-formats §6.1.</summary>
/// <remarks>All members may be called concurrently. A place that cannot be reached is a <see cref="StorageException"/>, transient when it is worth trying again.</remarks>
public interface IBinaryCacheFiles
{
    /// <summary>Where the cache is, for messages: without secrets.</summary>
    string Location { get; }

    /// <summary>Opens a file.</summary>
    /// <param name="path">
    /// The file, relative to the cache, such as <c>nix-cache-info</c>; or, from the <c>URL</c> of a narinfo, whatever the cache makes of it.
    /// </param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>
    /// What is in the file, without any encoding that is only for the way, as a stream that the caller disposes; <see langword="null"/> when there is no such file, or
    /// none for this client. A read throws <see cref="IOException"/> when the file ends too early.
    /// </returns>
    ValueTask<Stream?> OpenAsync(string path, CancellationToken cancellationToken = default);

    /// <summary>Whether there is a file. Nothing is made or fetched for it.</summary>
    ValueTask<bool> HasAsync(string path, CancellationToken cancellationToken = default);

    /// <summary>Writes a file, in place of one that is there. Nobody sees a part of it; when this returns, it is as durable as the place can make it.</summary>
    /// <param name="path">The file, relative to the cache.</param>
    /// <param name="contentType">What the file is, for places that keep that.</param>
    /// <param name="contents">Writes the contents; may be called again when it has to be tried again.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="NotSupportedException">The cache cannot be written to.</exception>
    ValueTask PutAsync(string path, string contentType, BinaryCacheContents contents, CancellationToken cancellationToken = default);

    /// <summary>The hash parts of all store paths, in no particular order.</summary>
    /// <exception cref="NotSupportedException">The place cannot say what it has; thrown by the call itself.</exception>
    IAsyncEnumerable<StorePathDigest> ListAsync(CancellationToken cancellationToken = default);
}
