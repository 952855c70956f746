namespace Tvix.Store.Copy;

/// <summary>How far a copy has come.</summary>
/// <param name="PathsDone">The number of store paths that are in the target now.</param>
/// <param name="PathsTotal">The number of all store paths of the copy; they are all known before anything is copied.</param>
/// <param name="Blobs">The number of blobs copied.</param>
/// <param name="BytesCopied">The number of bytes of blobs that were read from the source.</param>
/// <param name="BytesSkipped">The number of bytes that did not have to be; see <see cref="CopyResult.BytesSaved"/>.</param>
public readonly record struct CopyProgress(long PathsDone, long PathsTotal, long Blobs, long BytesCopied, long BytesSkipped);
