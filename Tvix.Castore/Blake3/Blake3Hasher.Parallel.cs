using System.Buffers;
using System.Numerics;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blake3;

/// <content>Large messages on several cores.</content>
public sealed unsafe partial class Blake3Hasher
{
    /// <summary>The least that a core gets at a time: to hand it over costs little beside hashing it.</summary>
    private const int MinPieceSize = 128 * ChunkSize;

    /// <summary>The digest of a message, on several cores when it is large.</summary>
    /// <param name="source">The message; may be empty.</param>
    /// <param name="maxParallelism">The most cores to use, the calling thread's included; 0 for all.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxParallelism"/> is negative.</exception>
    public static B3Digest HashDataParallel(ReadOnlySpan<byte> source, int maxParallelism = 0)
    {
        int workers = Workers(maxParallelism);
        if (workers == 1 || source.Length < 4 * MinPieceSize)
        {
            return HashData(source);
        }

        // Some pieces for each core, for cores may be slowed down by others' work.
        int size = Math.Max(MinPieceSize, (int)BitOperations.RoundUpToPowerOf2((uint)(source.Length / workers / 8)));
        int count = ((source.Length - 1) / size) + 1;
        byte[] values = ArrayPool<byte>.Shared.Rent(count * ValueSize);
        try
        {
            fixed (byte* pinned = source)
            {
                byte* input = pinned;
                int length = source.Length;
                Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = workers }, i =>
                {
                    long offset = (long)i * size;
                    Blake3Tree.SubtreeChainingValue(
                        new ReadOnlySpan<byte>(input + offset, (int)Math.Min(size, length - offset)),
                        (ulong)(offset / ChunkSize),
                        values.AsSpan(i * ValueSize, ValueSize));
                });
            }

            return Blake3Tree.RootDigest(values.AsSpan(0, count * ValueSize));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(values);
        }
    }

    private static int Workers(int maxParallelism)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxParallelism);
        return maxParallelism == 0 ? Environment.ProcessorCount : maxParallelism;
    }
}
