using System.Buffers;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>Chunks of a blob that follow each other. They are prepared side by side with others, and appended in order.</summary>
internal sealed class ChunkRun(LocalStore store) : IDisposable
{
    private readonly List<ReadOnlyMemory<byte>> _chunks = [];
    private readonly List<byte[]> _arrays = [];
    private readonly List<Prepared> _prepared = [];

    /// <summary>What is known of a chunk.</summary>
    /// <param name="Digest">Its digest.</param>
    /// <param name="IsStored">Whether it is in the store.</param>
    /// <param name="Packed">How to store it; <see langword="null"/> when it is there, or on its way.</param>
    private readonly record struct Prepared(B3Digest Digest, bool IsStored, PackedContent? Packed);

    /// <summary>The bytes of all chunks together.</summary>
    public int Length { get; private set; }

    /// <summary>Adds a chunk.</summary>
    /// <param name="chunk">The chunk, which stays as it is until the run is disposed.</param>
    /// <param name="array">A pooled array to return then, when the chunk lies in one.</param>
    public void Add(ReadOnlyMemory<byte> chunk, byte[]? array)
    {
        _chunks.Add(chunk);
        Length += chunk.Length;
        if (array is not null)
        {
            _arrays.Add(array);
        }
    }

    /// <summary>Does all that needs no order: hashing, looking up, compressing.</summary>
    public void Prepare()
    {
        B3Digest[] digests = new B3Digest[_chunks.Count];
        Blake3Hasher.HashMany([.. _chunks], digests);
        bool[] stored = store.ContainsMany(RecordKind.Chunk, digests);
        for (int i = 0; i < digests.Length; i++)
        {
            bool isNew = !stored[i] && !store.IsOnItsWay(RecordKind.Chunk, digests[i]);
            _prepared.Add(new Prepared(digests[i], stored[i], isNew ? store.Pack(_chunks[i].Span) : null));
        }
    }

    /// <summary>Appends the chunks that are new, and lists all.</summary>
    public void Append(WriteSession session, List<byte> chunkList)
    {
        for (int i = 0; i < _chunks.Count; i++)
        {
            (B3Digest digest, bool isStored, PackedContent? packed) = _prepared[i];
            if (packed is { } content)
            {
                session.Append(digest, _chunks[i].Span, in content);
            }
            else if (!isStored)
            {
                session.Append(RecordKind.Chunk, digest, _chunks[i].Span);
            }

            LocalBlobService.AppendChunk(chunkList, digest, _chunks[i].Length);
        }
    }

    public void Dispose()
    {
        foreach (Prepared chunk in _prepared)
        {
            chunk.Packed?.Dispose();
        }

        foreach (byte[] array in _arrays)
        {
            ArrayPool<byte>.Shared.Return(array);
        }
    }
}
