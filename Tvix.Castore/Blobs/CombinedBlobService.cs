using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>
/// Reads from a near service and, for what that does not have, from a far one; writes to the near one. Spec: castore §3.5.
/// </summary>
/// <remarks>
/// <para>A blob that only the far service has is read chunk by chunk where it is kept in chunks, and chunks that the near service has are
/// taken from there. Such a blob is held to its digest as a whole, too, if it is read from the start to the end. Nothing that is read is
/// copied into the near service.</para>
/// <para>Only absence leads from near to far: a near service that fails is not passed over.</para>
/// </remarks>
/// <param name="near">Asked first, and the only one written to.</param>
/// <param name="far">Asked for what <paramref name="near"/> does not have.</param>
public sealed class CombinedBlobService(IBlobService near, IBlobService far) : IBlobService
{
    private readonly IBlobService _near = near ?? throw new ArgumentNullException(nameof(near));
    private readonly IBlobService _far = far ?? throw new ArgumentNullException(nameof(far));

    /// <inheritdoc/>
    public async ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        await _near.HasAsync(digest, cancellationToken).ConfigureAwait(false)
        || await _far.HasAsync(digest, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public ValueTask HasManyAsync(IReadOnlyList<B3Digest> digests, Memory<bool> found, CancellationToken cancellationToken = default) =>
        NearAndFar.HasManyAsync(_near, _far, digests, found, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        Stream? stream = await _near.OpenReadAsync(digest, cancellationToken).ConfigureAwait(false);
        if (stream is not null)
        {
            return stream;
        }

        return await _far.GetChunksAsync(digest, cancellationToken).ConfigureAwait(false) switch
        {
            null => null,
            [] or [_] => await _far.OpenReadAsync(digest, cancellationToken).ConfigureAwait(false),
            var chunks => ChunkedBlobStream.OfWhole(this, digest, chunks),
        };
    }

    /// <inheritdoc/>
    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => _near.OpenWriteAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        await _near.GetChunksAsync(digest, cancellationToken).ConfigureAwait(false)
        ?? await _far.GetChunksAsync(digest, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public IBlobService? AskedBeforeWriting => _near.AskedBeforeWriting;

    /// <inheritdoc/>
    public ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) =>
        _near.PutAsync(content, cancellationToken);

    /// <inheritdoc/>
    public ValueTask PutManyAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default) =>
        _near.PutManyAsync(contents, digests, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default) =>
        await _near.ReadAsync(digest, maxBytes, cancellationToken).ConfigureAwait(false)
        ?? await _far.ReadAsync(digest, maxBytes, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask ReadManyAsync(
        IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken = default)
    {
        await _near.ReadManyAsync(blobs, contents, cancellationToken).ConfigureAwait(false);
        int[] missing = [.. Enumerable.Range(0, blobs.Count).Where(i => contents.Span[i] is null)];
        if (missing.Length == 0)
        {
            return;
        }

        BlobContent?[] found = new BlobContent?[missing.Length];
        try
        {
            await _far.ReadManyAsync([.. missing.Select(i => blobs[i])], found, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            BlobContent.DisposeAll(contents.Span[..blobs.Count]);
            throw;
        }

        for (int i = 0; i < missing.Length; i++)
        {
            contents.Span[missing[i]] = found[i];
        }
    }
}
