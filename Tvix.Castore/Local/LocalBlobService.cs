using System.Buffers.Binary;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>The blobs of a <see cref="LocalStore"/>: whole where they are small, as a list of chunks where not.</summary>
/// <remarks>
/// The payload of a blob's record is its chunks in order, each as its digest (32 bytes) and its size (u32, little-endian).
/// </remarks>
internal sealed class LocalBlobService(LocalStore store) : IBlobService, IStoredPieceSource
{
    private const int ChunkEntrySize = B3Digest.Size + sizeof(uint);

    public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using PackIndex.Reader index = store.RentIndex();
        return new(index.TryFind(RecordKind.Chunk, digest, out _) || index.TryFind(RecordKind.Blob, digest, out _));
    }

    public ValueTask HasManyAsync(IReadOnlyList<B3Digest> digests, Memory<bool> found, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(digests);
        ArgumentOutOfRangeException.ThrowIfLessThan(found.Length, digests.Count);
        cancellationToken.ThrowIfCancellationRequested();
        B3Digest[] rest = [.. digests];
        int[] places = [.. Enumerable.Range(0, rest.Length)];
        foreach (RecordKind kind in (ReadOnlySpan<RecordKind>)[RecordKind.Chunk, RecordKind.Blob])
        {
            bool[] there = store.ContainsMany(kind, rest);
            for (int i = 0; i < there.Length; i++)
            {
                found.Span[places[i]] = there[i];
            }

            int[] missing = [.. Enumerable.Range(0, rest.Length).Where(i => !there[i])];
            rest = Array.ConvertAll(missing, i => rest[i]);
            places = Array.ConvertAll(missing, i => places[i]);
        }

        return default;
    }

    public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (store.Read(RecordKind.Chunk, digest) is { } content)
        {
            return new(new BlobContentStream(content));
        }

        return new(ReadChunkList(digest) is { } chunks ? ChunkedBlobStream.OverVerified(this, chunks) : null);
    }

    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(new LocalBlobWriter(store));
    }

    public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(store.Contains(RecordKind.Chunk, digest) ? [] : ReadChunkList(digest));
    }

    public async ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        return store.Read(RecordKind.Chunk, digest, maxBytes)
            ?? (store.Contains(RecordKind.Blob, digest)
                ? await BlobContent.ReadAsync(this, digest, maxBytes, cancellationToken).ConfigureAwait(false)
                : null);
    }

    public ValueTask ReadManyAsync(
        IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlobContent.Prepare(blobs, contents);
        return store.ReadChunks(blobs, contents.Span[..blobs.Count])
            ? default
            : BlobContent.ReadMissingAsync(this, blobs, contents, cancellationToken); // what is missing, or kept in several chunks
    }

    public ValueTask<StoredPiece?> ReadStoredAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(store.ReadStored(digest));
    }

    public ValueTask ReadStoredManyAsync(
        IReadOnlyList<BlobChunk> blobs, Memory<StoredPiece?> pieces, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        StoredPiece.Prepare(blobs, pieces);
        store.ReadStoredChunks(blobs, pieces.Span[..blobs.Count]);
        return default;
    }

    public async ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        B3Digest digest;
        if (content.Length < store.Chunking.MaxSize)
        {
            digest = Blake3Hasher.HashData(content.Span);
            WriteSession session = new(store);
            session.Append(RecordKind.Chunk, digest, content.Span);
            await session.CommitAsync(cancellationToken).ConfigureAwait(false);
            return digest;
        }

        LocalBlobWriter writer = new(store);
        await using (writer.ConfigureAwait(false))
        {
            await writer.WriteAsync(content, cancellationToken).ConfigureAwait(false);
            return await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask PutManyAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        ArgumentOutOfRangeException.ThrowIfLessThan(digests.Length, contents.Count);
        cancellationToken.ThrowIfCancellationRequested();
        List<int>? large = null;
        WriteSession session = new(store);
        PutSmall(session, contents, digests.Span, ref large);
        foreach (int i in large ?? [])
        {
            B3Digest digest = await PutAsync(contents[i], cancellationToken).ConfigureAwait(false);
            digests.Span[i] = digest;
        }

        await session.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Hashes and appends everything that is no more than one chunk, and names the rest.</summary>
    private void PutSmall(WriteSession session, IReadOnlyList<ReadOnlyMemory<byte>> contents, Span<B3Digest> digests, ref List<int>? large)
    {
        ReadOnlyMemory<byte>[] messages = new ReadOnlyMemory<byte>[contents.Count];
        for (int i = 0; i < messages.Length; i++)
        {
            if (contents[i].Length < store.Chunking.MaxSize)
            {
                messages[i] = contents[i];
            }
            else
            {
                (large ??= []).Add(i);
            }
        }

        Blake3Hasher.HashMany(messages, digests);
        bool[] known = store.ContainsMany(RecordKind.Chunk, digests[..messages.Length]);
        for (int i = 0; i < messages.Length; i++)
        {
            if (!known[i] && !(large?.Contains(i) ?? false))
            {
                session.Append(RecordKind.Chunk, digests[i], messages[i].Span, isNew: true);
            }
        }
    }

    /// <summary>The chunks of a blob that has several; <see langword="null"/> when there is no such blob.</summary>
    internal IReadOnlyList<BlobChunk>? ReadChunkList(B3Digest digest)
    {
        using BlobContent? content = store.Read(RecordKind.Blob, digest);
        return content is null ? null : ParseChunkList(content.Memory.Span);
    }

    internal static BlobChunk[] ParseChunkList(ReadOnlySpan<byte> list)
    {
        BlobChunk[] chunks = new BlobChunk[list.Length / ChunkEntrySize];
        for (int i = 0; i < chunks.Length; i++)
        {
            ReadOnlySpan<byte> entry = list.Slice(i * ChunkEntrySize, ChunkEntrySize);
            chunks[i] = new BlobChunk(new B3Digest(entry[..B3Digest.Size]), BinaryPrimitives.ReadUInt32LittleEndian(entry[B3Digest.Size..]));
        }

        return chunks;
    }

    internal static void AppendChunk(List<byte> list, B3Digest digest, int size)
    {
        Span<byte> entry = stackalloc byte[ChunkEntrySize];
        digest.CopyTo(entry);
        BinaryPrimitives.WriteInt32LittleEndian(entry[B3Digest.Size..], size);
        list.AddRange(entry);
    }
}
