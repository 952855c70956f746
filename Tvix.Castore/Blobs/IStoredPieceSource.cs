using Tvix.Castore.Composition;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>
/// A blob service that can give blobs the way it keeps them, for those who send them on compressed. A blob service may implement this beside <see cref="IBlobService"/>; it is found
/// with <see cref="ServiceCapabilities.Find"/>.
/// </summary>
public interface IStoredPieceSource
{
    /// <summary>
    /// Reads a blob or chunk that is kept in one piece; <see langword="null"/> when the store does not have it, or keeps it in several: <see cref="IBlobService.GetChunksAsync"/> tells
    /// which, and each of them can be read by itself.
    /// </summary>
    /// <returns>
    /// The piece, which the caller disposes. Uncompressed bytes were checked against the digest. A frame was checked as far as that goes without decompressing it: that it is the one that
    /// was stored for the digest, that it is one whole frame, and that it holds as many bytes as it should. Damage within it is only seen by whoever decompresses it and knows a digest,
    /// as clients know that of a NAR.
    /// </returns>
    /// <exception cref="DigestMismatchException">The stored bytes are damaged.</exception>
    /// <exception cref="StorageException">The backend could not answer.</exception>
    ValueTask<StoredPiece?> ReadStoredAsync(B3Digest digest, CancellationToken cancellationToken = default);
}
