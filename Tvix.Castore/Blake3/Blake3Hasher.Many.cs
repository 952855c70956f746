using System.Runtime.CompilerServices;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blake3;

/// <content>Many messages side by side.</content>
public sealed unsafe partial class Blake3Hasher
{
    /// <summary>Larger messages fill the lanes by themselves.</summary>
    private const int MaxSharedChunks = 16;

    /// <summary>The most chunks that are sorted and hashed together (10 KiB of stack).</summary>
    private const int MaxBatch = 256;

    /// <summary>The digests of many messages, hashed side by side where they are small.</summary>
    /// <remarks>The chunks of messages of up to 16 KiB share the lanes of the kernels, those with the same number of blocks together:
    /// a batch of some hundreds is about as fast a byte as one large message. Nothing is allocated.</remarks>
    /// <param name="sources">The messages, of any sizes in any order.</param>
    /// <param name="digests">Receives the digest of <paramref name="sources"/><c>[i]</c> at <c>i</c>; at least as long.</param>
    /// <exception cref="ArgumentException"><paramref name="digests"/> is shorter than <paramref name="sources"/>.</exception>
    public static void HashMany(ReadOnlySpan<ReadOnlyMemory<byte>> sources, Span<B3Digest> digests)
    {
        if (digests.Length < sources.Length)
        {
            throw new ArgumentException("There are more messages than places for their digests.", nameof(digests));
        }

        bool hasLanes = Blake3Kernels.LanesFor(MaxBatch) > 1;
        int start = 0;
        while (start < sources.Length)
        {
            int end = start;
            int chunks = 0;
            for (; end < sources.Length && hasLanes; end++)
            {
                int more = ChunkCount(sources[end].Length);
                if (more > MaxSharedChunks || chunks + more > MaxBatch)
                {
                    break;
                }

                chunks += more;
            }

            if (end == start)
            {
                digests[start] = HashData(sources[start].Span);
                start++;
                continue;
            }

            HashBatch(sources[start..end], chunks, digests[start..end]);
            start = end;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ChunkCount(int length) => length == 0 ? 1 : ((length - 1) / ChunkSize) + 1;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void HashBatch(ReadOnlySpan<ReadOnlyMemory<byte>> sources, int chunks, Span<B3Digest> digests)
    {
        Span<SharedChunk> sorted = stackalloc SharedChunk[MaxBatch];
        sorted = sorted[..chunks];
        Sort(sources, sorted);

        byte* cvs = stackalloc byte[MaxBatch * ValueSize];
        while (!sorted.IsEmpty)
        {
            int width = Blake3Kernels.LanesFor((nuint)sorted.Length);
            int taken = Math.Min(width, sorted.Length);
            HashGroup(width, sources, sorted[..taken], cvs);
            sorted = sorted[taken..];
        }

        for (int i = 0; i < sources.Length; i++)
        {
            int count = ChunkCount(sources[i].Length);
            if (count > 1)
            {
                Blake3Tree.Reduce(cvs, (nuint)count, 2);
                Blake3Kernels.HashParent(cvs, Blake3Kernels.Root, cvs);
            }

            digests[i] = new B3Digest(new ReadOnlySpan<byte>(cvs, ValueSize));
            cvs += count * ValueSize;
        }
    }

    /// <summary>Lists the chunks of all messages by their number of blocks, from many to few.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sort(ReadOnlySpan<ReadOnlyMemory<byte>> sources, Span<SharedChunk> sorted)
    {
        const int MaxBlocks = ChunkSize / Blake3Kernels.BlockSize;
        Span<int> places = stackalloc int[MaxBlocks + 1];
        places.Clear();
        foreach (ReadOnlyMemory<byte> source in sources)
        {
            int count = ChunkCount(source.Length);
            places[MaxBlocks] += count - 1;
            places[LastBlocks(source.Length, count)]++;
        }

        int place = 0;
        for (int blocks = MaxBlocks; blocks >= 0; blocks--)
        {
            (places[blocks], place) = (place, place + places[blocks]);
        }

        short index = 0;
        for (int i = 0; i < sources.Length; i++)
        {
            int count = ChunkCount(sources[i].Length);
            for (int chunk = 0; chunk < count; chunk++)
            {
                int blocks = chunk < count - 1 ? MaxBlocks : LastBlocks(sources[i].Length, count);
                sorted[places[blocks]++] = new SharedChunk((short)i, (short)chunk, index++);
            }
        }
    }

    /// <summary>The blocks of the last chunk; 0 for the empty message.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int LastBlocks(int length, int count) =>
        (length - ((count - 1) * ChunkSize) + Blake3Kernels.BlockSize - 1) / Blake3Kernels.BlockSize;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void HashGroup(int width, ReadOnlySpan<ReadOnlyMemory<byte>> sources, ReadOnlySpan<SharedChunk> group, byte* cvs)
    {
        fixed (byte* p0 = Bytes(sources, group, 0), p1 = Bytes(sources, group, 1), p2 = Bytes(sources, group, 2))
        fixed (byte* p3 = Bytes(sources, group, 3), p4 = Bytes(sources, group, 4), p5 = Bytes(sources, group, 5))
        fixed (byte* p6 = Bytes(sources, group, 6), p7 = Bytes(sources, group, 7), p8 = Bytes(sources, group, 8))
        fixed (byte* p9 = Bytes(sources, group, 9), p10 = Bytes(sources, group, 10), p11 = Bytes(sources, group, 11))
        fixed (byte* p12 = Bytes(sources, group, 12), p13 = Bytes(sources, group, 13), p14 = Bytes(sources, group, 14))
        fixed (byte* p15 = Bytes(sources, group, 15))
        {
            byte** inputs = stackalloc byte*[] { p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15 };
            uint* lengths = stackalloc uint[Blake3Kernels.MaxLanes];
            ulong* counters = stackalloc ulong[Blake3Kernels.MaxLanes];
            uint* endFlags = stackalloc uint[Blake3Kernels.MaxLanes];
            for (int i = 0; i < group.Length; i++)
            {
                int length = sources[group[i].Source].Length;
                lengths[i] = (uint)Math.Min(length - (group[i].Chunk * ChunkSize), ChunkSize);
                counters[i] = (ulong)group[i].Chunk;
                endFlags[i] = length <= ChunkSize ? Blake3Kernels.Root : 0;
            }

            byte* rows = stackalloc byte[Blake3Kernels.MaxLanes * ValueSize];
            if (width == 1)
            {
                Blake3Kernels.HashOne(inputs[0], lengths[0], counters[0], endFlags[0], rows);
            }
            else
            {
                Blake3Kernels.HashGroup(width, group.Length, inputs, lengths, counters, endFlags, rows);
            }

            for (int i = 0; i < group.Length; i++)
            {
                Unsafe.CopyBlockUnaligned(cvs + (group[i].Index * ValueSize), rows + (i * ValueSize), ValueSize);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ReadOnlySpan<byte> Bytes(ReadOnlySpan<ReadOnlyMemory<byte>> sources, ReadOnlySpan<SharedChunk> group, int i) =>
        i < group.Length ? sources[group[i].Source].Span[(group[i].Chunk * ChunkSize)..] : [];

    /// <summary>A chunk of a batch.</summary>
    /// <param name="Source">The index of its message.</param>
    /// <param name="Chunk">Its index in the message.</param>
    /// <param name="Index">Its index among the chunks of all messages of the batch, in order.</param>
    private readonly record struct SharedChunk(short Source, short Chunk, short Index);
}
