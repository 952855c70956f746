using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>
/// Stores byte strings under their BLAKE3 digest. A blob may be kept in pieces (chunks), each of which is a blob as well.
/// </summary>
/// <remarks>
/// <para>All members may be called concurrently. What is not there is a normal answer (<see langword="false"/>, <see langword="null"/>);
/// damaged data is a <see cref="DigestMismatchException"/>, a backend that cannot answer a <see cref="StorageException"/>.</para>
/// <para>The first four members are the service; the others have a default implementation in terms of them, which a backend replaces where
/// it can do better.</para>
/// </remarks>
public interface IBlobService
{
    /// <summary>Whether the blob, or a chunk of that digest, is there.</summary>
    ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default);

    /// <summary>Opens a blob or chunk; <see langword="null"/> when the store does not have it.</summary>
    /// <returns>
    /// A seekable, read-only stream, which the caller disposes. Every byte it hands out belongs to a piece whose digest was checked before,
    /// or, for a backend that keeps blobs whole and streams them, the read that reaches the end throws when the digest is wrong.
    /// </returns>
    /// <exception cref="DigestMismatchException">The stored bytes are damaged; thrown here or by a read.</exception>
    /// <exception cref="StorageException">The backend could not answer; thrown here or by a read.</exception>
    ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default);

    /// <summary>Starts a new blob. Nothing of it can be read before <see cref="BlobWriter.CompleteAsync"/> has returned.</summary>
    /// <returns>A writer, which the caller disposes; disposing it without completing it discards the blob.</returns>
    ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The pieces of a blob in order; <see langword="null"/> when the store does not have it; empty when it is there but no finer pieces
    /// are known.
    /// </summary>
    async ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        await HasAsync(digest, cancellationToken).ConfigureAwait(false) ? [] : null;

    /// <summary>
    /// The service whose <see cref="HasAsync"/> a caller should ask who can find out the digest of a blob before writing it, to write only
    /// what that does not have: so it is when writing is much dearer than asking, because the bytes go over a network.
    /// <see langword="null"/> when it does not pay. <see cref="PutAsync"/> and <see cref="PutManyAsync"/> of such a service ask themselves.
    /// </summary>
    /// <remarks>A service in front of others gives that of the one it writes to, which need not be what it asks in its own
    /// <see cref="HasAsync"/>.</remarks>
    IBlobService? AskedBeforeWriting => null;

    /// <summary>Whether each of many blobs, or chunks of those digests, is there. Backends that can look them up together do.</summary>
    /// <param name="digests">The blobs. One may be asked for twice.</param>
    /// <param name="found">Receives the answers, in the same order; at least as long as <paramref name="digests"/>.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="ArgumentException"><paramref name="found"/> is too short.</exception>
    /// <exception cref="StorageException">The backend could not answer.</exception>
    async ValueTask HasManyAsync(IReadOnlyList<B3Digest> digests, Memory<bool> found, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(digests);
        ArgumentOutOfRangeException.ThrowIfLessThan(found.Length, digests.Count);
        for (int i = 0; i < digests.Count; i++)
        {
            bool answer = await HasAsync(digests[i], cancellationToken).ConfigureAwait(false);
            found.Span[i] = answer;
        }
    }

    /// <summary>Stores a blob whose bytes are at hand.</summary>
    /// <returns>Its digest, once the blob is stored.</returns>
    async ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        BlobWriter writer = await OpenWriteAsync(cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            await writer.WriteAsync(content, cancellationToken).ConfigureAwait(false);
            return await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stores many blobs whose bytes are at hand. Backends that can hash and write them together do.</summary>
    /// <param name="contents">The blobs. The memory must not change until the call completes.</param>
    /// <param name="digests">Receives the digest of each, in the same order; at least as long as <paramref name="contents"/>.</param>
    /// <param name="cancellationToken">Ends the call; some of the blobs may be stored then.</param>
    /// <exception cref="ArgumentException"><paramref name="digests"/> is too short.</exception>
    async ValueTask PutManyAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        ArgumentOutOfRangeException.ThrowIfLessThan(digests.Length, contents.Count);
        for (int i = 0; i < contents.Count; i++)
        {
            B3Digest digest = await PutAsync(contents[i], cancellationToken).ConfigureAwait(false);
            digests.Span[i] = digest;
        }
    }

    /// <summary>Reads a whole blob of known, bounded size; <see langword="null"/> when the store does not have it.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="maxBytes">The most that the caller is ready to hold in memory.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The bytes, verified, in memory that the caller disposes.</returns>
    /// <exception cref="BlobTooLongException">The blob is longer than <paramref name="maxBytes"/>.</exception>
    /// <exception cref="DigestMismatchException">The stored bytes are damaged.</exception>
    ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default) =>
        BlobContent.ReadAsync(this, digest, maxBytes, cancellationToken);

    /// <summary>Reads many whole blobs of known, bounded sizes. Backends that can find, read and check them together do.</summary>
    /// <param name="blobs">The blobs, each with the most bytes of it that the caller is ready to hold in memory. One may be asked for twice.</param>
    /// <param name="contents">
    /// Receives the bytes of each, verified, in the same order, in memory that the caller disposes; <see langword="null"/> for a blob that the
    /// store does not have. At least as long as <paramref name="blobs"/>. Blobs may share memory, which is given back with the last of them.
    /// </param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <remarks>When the call throws, nothing is left in <paramref name="contents"/>, and it says nothing about the other blobs.</remarks>
    /// <exception cref="ArgumentException"><paramref name="contents"/> is too short, or a size is more than an array can have.</exception>
    /// <exception cref="BlobTooLongException">A blob is longer than the size given for it.</exception>
    /// <exception cref="DigestMismatchException">The stored bytes of a blob are damaged.</exception>
    /// <exception cref="StorageException">The backend could not answer.</exception>
    ValueTask ReadManyAsync(
        IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken = default) =>
        BlobContent.ReadManyAsync(this, blobs, contents, cancellationToken);
}
