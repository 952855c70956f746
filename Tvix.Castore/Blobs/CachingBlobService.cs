using System.Buffers;
using Tvix.Castore.Blake3;
using Tvix.Castore.Composition;
using Tvix.Castore.Model;
using Tvix.Castore.Telemetry;

namespace Tvix.Castore.Blobs;

/// <summary>Reads from a near service; a blob that this does not have is fetched from a far one and stored near. Writes go where one
/// chooses.</summary>
/// <remarks>
/// <para>A blob is copied as a whole before the first byte of it is handed out, and is then read from the near service. So every reader
/// gets a seekable stream over verified bytes, nothing is fetched twice, and the near service never has half a blob or a wrong one: what
/// arrives is hashed, and the near copy is completed only if the digest is right. The price is that the first byte of a large blob has to
/// wait for the last; who wants single ranges of large blobs that are far away, and does not want to keep them, takes a
/// <see cref="CombinedBlobService"/>.</para>
/// <para>Where the far service keeps a blob in chunks, it is fetched by these, and chunks that the near service has are taken from there.
/// Memory is bounded by four chunks and a buffer, or by the limit of a <see cref="ReadAsync"/> of up to a mebibyte. Readers who miss the
/// same blob at the same time share one fetch, which is cancelled when none of them waits any more. Neither failure nor absence is
/// remembered.</para>
/// <para>Only absence leads from near to far: a service that fails is not passed over. Asking for existence or for chunks fetches no
/// contents.</para>
/// </remarks>
public sealed class CachingBlobService : IBlobService, IWrittenElsewhere<IBlobService>
{
    private const int BufferBytes = 256 << 10;
    private const int SmallBytes = 1 << 20;

    private readonly IBlobService _near;
    private readonly IBlobService _far;
    private readonly CacheWrites _writes;
    private readonly SingleFlight<B3Digest, Fetched> _fetches = new();

    /// <summary>Makes a cache.</summary>
    /// <param name="near">Asked first, and filled with what is read from <paramref name="far"/>.</param>
    /// <param name="far">Asked for what <paramref name="near"/> does not have.</param>
    /// <param name="writes">Where blobs go that are written.</param>
    public CachingBlobService(IBlobService near, IBlobService far, CacheWrites writes = CacheWrites.Near)
    {
        ArgumentNullException.ThrowIfNull(near);
        ArgumentNullException.ThrowIfNull(far);
        writes.ThrowIfUndefined();
        _near = near;
        _far = far;
        _writes = writes;
    }

    internal CacheLookups Lookups { get; } = new("blob");

    IBlobService IWrittenElsewhere<IBlobService>.WrittenTo => _writes == CacheWrites.Near ? this : ServiceCapabilities.WrittenTo(_far);

    private IBlobService Written => _writes == CacheWrites.Near ? _near : _far;

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
        Lookups.Count(stream is not null);
        if (stream is not null || !await FetchAsync(digest, long.MaxValue, cancellationToken).ConfigureAwait(false))
        {
            return stream;
        }

        return await _near.OpenReadAsync(digest, cancellationToken).ConfigureAwait(false) ?? throw Lost(digest);
    }

    /// <inheritdoc/>
    public async ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default)
    {
        BlobContent? content = await _near.ReadAsync(digest, maxBytes, cancellationToken).ConfigureAwait(false);
        Lookups.Count(content is not null);
        if (content is not null || !await FetchAsync(digest, maxBytes, cancellationToken).ConfigureAwait(false))
        {
            return content;
        }

        return await _near.ReadAsync(digest, maxBytes, cancellationToken).ConfigureAwait(false) ?? throw Lost(digest);
    }

    /// <inheritdoc/>
    public async ValueTask ReadManyAsync(
        IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken = default)
    {
        await _near.ReadManyAsync(blobs, contents, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < blobs.Count; i++)
        {
            if (contents.Span[i] is not null)
            {
                Lookups.Count(true);
            }
        }

        await BlobContent.ReadMissingAsync(this, blobs, contents, cancellationToken).ConfigureAwait(false); // which counts those
    }

    /// <inheritdoc/>
    /// <remarks>A blob that only the far service has is told as one piece. Who reads a blob by its chunks would leave those near, each a blob
    /// by itself, and still have to ask far for their list the next time.</remarks>
    public async ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        await _near.GetChunksAsync(digest, cancellationToken).ConfigureAwait(false)
        ?? await _far.GetChunksAsync(digest, cancellationToken).ConfigureAwait(false) switch
        {
            { Count: > 1 } chunks => [new BlobChunk(digest, TotalSize(chunks))],
            var whole => whole,
        };

    /// <inheritdoc/>
    public async ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
    {
        BlobWriter first = await Written.OpenWriteAsync(cancellationToken).ConfigureAwait(false);
        if (_writes != CacheWrites.Both)
        {
            return first;
        }

        try
        {
            return new TwofoldBlobWriter(first, await _near.OpenWriteAsync(cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await first.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// That of the service that is written to, of the far one when it is both: a blob that only the near service has must still be written,
    /// and one that only the far service has comes near when it is read.
    /// </remarks>
    public IBlobService? AskedBeforeWriting => Written.AskedBeforeWriting;

    /// <inheritdoc/>
    public async ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        B3Digest digest = await Written.PutAsync(content, cancellationToken).ConfigureAwait(false);
        if (_writes == CacheWrites.Both)
        {
            TwofoldBlobWriter.ThrowIfDifferent(digest, await _near.PutAsync(content, cancellationToken).ConfigureAwait(false));
        }

        return digest;
    }

    /// <inheritdoc/>
    public async ValueTask PutManyAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default)
    {
        await Written.PutManyAsync(contents, digests, cancellationToken).ConfigureAwait(false);
        if (_writes == CacheWrites.Both)
        {
            B3Digest[] near = new B3Digest[contents.Count];
            await _near.PutManyAsync(contents, near, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < near.Length; i++)
            {
                TwofoldBlobWriter.ThrowIfDifferent(digests.Span[i], near[i]);
            }
        }
    }

    /// <summary>Brings a blob from far to near, together with all others who want it.</summary>
    /// <returns>Whether it is near now; otherwise far does not have it either.</returns>
    /// <exception cref="BlobTooLongException">It is longer than <paramref name="maxBytes"/>.</exception>
    private async Task<bool> FetchAsync(B3Digest digest, long maxBytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            Fetched fetched = await _fetches.RunAsync(digest, token => FetchCoreAsync(digest, maxBytes, token), cancellationToken).ConfigureAwait(false);
            if (fetched.TooLongFor is not { } limit)
            {
                return fetched.IsThere;
            }

            if (maxBytes <= limit)
            {
                throw new BlobTooLongException(digest, maxBytes);
            }

            // It was fetched for somebody who wanted to hold less; once more, then.
        }
    }

    private async Task<Fetched> FetchCoreAsync(B3Digest digest, long maxBytes, CancellationToken cancellationToken)
    {
        // Another fetch may have ended between this caller's look and now.
        if (await _near.HasAsync(digest, cancellationToken).ConfigureAwait(false))
        {
            return new Fetched(IsThere: true);
        }

        if (maxBytes <= SmallBytes)
        {
            return await FetchSmallAsync(digest, (int)maxBytes, cancellationToken).ConfigureAwait(false);
        }

        Stream? stream = await _far.GetChunksAsync(digest, cancellationToken).ConfigureAwait(false) switch
        {
            null => null,
            [] or [_] => await _far.OpenReadAsync(digest, cancellationToken).ConfigureAwait(false),
            var chunks => new ChunkedBlobStream(new CombinedBlobService(_near, _far), chunks),
        };
        if (stream is null)
        {
            return new Fetched(IsThere: false);
        }

        await using (stream.ConfigureAwait(false))
        {
            if (stream.Length > maxBytes)
            {
                return new Fetched(IsThere: false, maxBytes);
            }

            await CopyAsync(digest, stream, cancellationToken).ConfigureAwait(false);
            return new Fetched(IsThere: true);
        }
    }

    private async Task<Fetched> FetchSmallAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken)
    {
        BlobContent? content;
        try
        {
            content = await _far.ReadAsync(digest, maxBytes, cancellationToken).ConfigureAwait(false);
        }
        catch (BlobTooLongException)
        {
            return new Fetched(IsThere: false, maxBytes);
        }

        using (content)
        {
            if (content is not null)
            {
                ThrowIfWrong(digest, Blake3Hasher.HashData(content.Memory.Span));
                TwofoldBlobWriter.ThrowIfDifferent(digest, await _near.PutAsync(content.Memory, cancellationToken).ConfigureAwait(false));
            }

            return new Fetched(IsThere: content is not null);
        }
    }

    private async Task CopyAsync(B3Digest digest, Stream source, CancellationToken cancellationToken)
    {
        BlobWriter writer = await _near.OpenWriteAsync(cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            Blake3Hasher hasher = new();
            byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
            int count;
            while ((count = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                hasher.AppendData(buffer.AsSpan(0, count));
                await writer.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            }

            ArrayPool<byte>.Shared.Return(buffer);
            ThrowIfWrong(digest, hasher.GetCurrentDigest());
            TwofoldBlobWriter.ThrowIfDifferent(digest, await writer.CompleteAsync(cancellationToken).ConfigureAwait(false));
        }
    }

    private static void ThrowIfWrong(B3Digest expected, B3Digest actual)
    {
        if (actual != expected)
        {
            throw new DigestMismatchException(expected, actual, "as the far blob service delivers it");
        }
    }

    private static ulong TotalSize(IReadOnlyList<BlobChunk> chunks)
    {
        ulong total = 0;
        foreach (BlobChunk chunk in chunks)
        {
            total = chunk.Size <= long.MaxValue - total ? total + chunk.Size
                : throw new StorageException("The chunks of a blob are longer together than a stream can be.");
        }

        return total;
    }

    private static StorageException Lost(B3Digest digest) => new($"The near blob service stored the blob {digest}, but does not have it.", isTransient: true);

    /// <summary>What became of a fetch.</summary>
    /// <param name="IsThere">Whether the blob is near.</param>
    /// <param name="TooLongFor">The limit that the blob exceeds, if it was not fetched because of that.</param>
    private readonly record struct Fetched(bool IsThere, long? TooLongFor = null);
}
