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

    /// <summary>Reads many blobs or chunks at once, each as <see cref="ReadStoredAsync"/> does.</summary>
    /// <param name="blobs">Which, each with the length in bytes that it should have.</param>
    /// <param name="pieces">
    /// Receives the pieces, in the same order, which the caller disposes; <see langword="null"/> for those that are not there or kept in several. When this throws, it holds none.
    /// </param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="ArgumentException"><paramref name="pieces"/> is too short.</exception>
    /// <exception cref="BlobTooLongException">A blob is longer than the caller says.</exception>
    /// <inheritdoc cref="ReadStoredAsync" path="/exception"/>
    async ValueTask ReadStoredManyAsync(IReadOnlyList<BlobChunk> blobs, Memory<StoredPiece?> pieces, CancellationToken cancellationToken = default)
    {
        StoredPiece.Prepare(blobs, pieces);
        try
        {
            for (int i = 0; i < blobs.Count; i++)
            {
                StoredPiece? piece = await ReadStoredAsync(blobs[i].Digest, cancellationToken).ConfigureAwait(false);
                pieces.Span[i] = piece;
                if ((ulong)(piece?.Size ?? 0) > blobs[i].Size)
                {
                    throw new BlobTooLongException(blobs[i].Digest, (long)blobs[i].Size, piece!.Size);
                }
            }
        }
        catch
        {
            StoredPiece.DisposeAll(pieces.Span[..blobs.Count]);
            throw;
        }
    }
}
