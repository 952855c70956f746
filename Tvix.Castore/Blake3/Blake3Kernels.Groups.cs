using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tvix.Castore.Blake3;

/// <content>Chunks and parents by the group, on whatever kernels there are.</content>
internal static unsafe partial class Blake3Kernels
{
    /// <summary>Hashes consecutive chunks; the last one may be short.</summary>
    /// <param name="input">The chunks.</param>
    /// <param name="length">The bytes of all chunks, at least 1.</param>
    /// <param name="counter">The index of the first chunk.</param>
    /// <param name="cvs">Receives 32 bytes a chunk.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void HashChunks(byte* input, nuint length, ulong counter, byte* cvs)
    {
        nuint count = (length + ChunkSize - 1) / ChunkSize;
        byte** inputs = stackalloc byte*[MaxLanes];
        while (count > 0)
        {
            int width = LanesFor(count);
            int taken = (int)Math.Min(count, (nuint)width);
            nuint size = Math.Min(length, (nuint)taken * ChunkSize);
            if (width == 1)
            {
                HashOne(input, (uint)size, counter, 0, cvs);
            }
            else if (size != (nuint)taken * ChunkSize ||
                !TryHashRows(taken, input, ChunkSize, ChunkSize / BlockSize, counter, 1, ChunkStart, ChunkEnd, cvs))
            {
                for (int i = 0; i < width; i++)
                {
                    inputs[i] = input + ((i < taken ? i : 0) * ChunkSize);
                }

                if (size == (nuint)taken * ChunkSize)
                {
                    HashSameLength(width, taken, inputs, ChunkSize / BlockSize, counter, 1, ChunkStart, ChunkEnd, cvs);
                }
                else
                {
                    HashShortened(width, taken, inputs, size, counter, cvs);
                }
            }

            count -= (nuint)taken;
            counter += (ulong)taken;
            cvs += taken * ChainingValueSize;
            input += size;
            length -= size;
        }
    }

    /// <summary>Joins pairs of chaining values.</summary>
    /// <param name="children">64 bytes a parent: left and right.</param>
    /// <param name="count">How many parents.</param>
    /// <param name="cvs">Receives 32 bytes a parent; may be the same place as <paramref name="children"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void HashParents(byte* children, nuint count, byte* cvs)
    {
        byte** inputs = stackalloc byte*[MaxLanes];
        while (count > 0)
        {
            int width = LanesFor(count);
            int taken = (int)Math.Min(count, (nuint)width);
            if (width == 1)
            {
                HashParent(children, 0, cvs);
            }
            else if (!TryHashRows(taken, children, BlockSize, 1, 0, 0, 0, Parent, cvs))
            {
                for (int i = 0; i < width; i++)
                {
                    inputs[i] = children + ((i < taken ? i : 0) * BlockSize);
                }

                HashSameLength(width, taken, inputs, 1, 0, 0, 0, Parent, cvs);
            }

            count -= (nuint)taken;
            children += taken * BlockSize;
            cvs += taken * ChainingValueSize;
        }
    }

    /// <summary>Hashes up to <paramref name="width"/> chunks that may lie anywhere and have any lengths.</summary>
    /// <param name="width">The width of the kernel: 4, 8 or 16.</param>
    /// <param name="count">How many chunks: 1 to <paramref name="width"/>.</param>
    /// <param name="inputs">The chunks; room for <paramref name="width"/> pointers, overwritten.</param>
    /// <param name="lengths">0 to 1,024 bytes each; 0 only for roots.</param>
    /// <param name="counters">The index of each chunk.</param>
    /// <param name="endFlags">Flags of each last block beside <see cref="ChunkEnd"/>: 0 or <see cref="Root"/>.</param>
    /// <param name="output">Receives 32 bytes a chunk.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void HashGroup(int width, int count, byte** inputs, uint* lengths, ulong* counters, uint* endFlags, byte* output)
    {
        uint* lanes = stackalloc uint[MaxLanes * WordsPerLane];
        uint* lastBlocks = stackalloc uint[MaxLanes];
        byte* padded = stackalloc byte[MaxLanes * BlockSize];
        byte** blockInputs = stackalloc byte*[MaxLanes];
        uint* lastLengths = lanes + (LengthWord * width);
        uint* lastFlags = lanes + (FlagsWord * width);
        StartLanes(width, lanes, 0, 0, 0);
        int longest = 0;
        uint next = uint.MaxValue; // the next block that ends some chunk
        for (int i = 0; i < count; i++)
        {
            lastBlocks[i] = (Math.Max(lengths[i], 1) - 1) / BlockSize;
            longest = lastBlocks[i] > lastBlocks[longest] ? i : longest;
            next = Math.Min(next, lastBlocks[i]);
            lanes[(CounterLowWord * width) + i] = (uint)counters[i];
            lanes[(CounterHighWord * width) + i] = (uint)(counters[i] >> 32);
        }

        if (count == width && AllWhole(count, lengths))
        {
            for (int i = 0; i < count; i++)
            {
                lastFlags[i] = ChunkEnd | endFlags[i];
            }

            CompressLanes(width, lanes, inputs, 0, ChunkSize / BlockSize, ChunkStart);
            StoreRows(width, lanes, output);
            return;
        }

        // Lanes without a chunk, or whose chunk is done, repeat the longest one, which can be read up to the end.
        for (int i = count; i < width; i++)
        {
            inputs[i] = inputs[longest];
        }

        uint position = 0;
        while (true)
        {
            uint firstFlags = position == 0 ? ChunkStart : 0;
            if (next > position)
            {
                Fill(width, lastLengths, BlockSize);
                Fill(width, lastFlags, 0);
                CompressLanes(width, lanes, inputs, position * BlockSize, next - position, firstFlags);
                firstFlags = 0;
            }

            Fill(width, lastLengths, BlockSize);
            Fill(width, lastFlags, 0);
            uint following = uint.MaxValue;
            for (int i = 0; i < count; i++)
            {
                blockInputs[i] = inputs[i] + (next * BlockSize);
                if (lastBlocks[i] == next)
                {
                    lastFlags[i] = ChunkEnd | endFlags[i];
                    uint rest = lengths[i] - (next * BlockSize);
                    if (rest < BlockSize)
                    {
                        byte* copy = padded + (i * BlockSize);
                        new Span<byte>(copy, BlockSize).Clear();
                        Unsafe.CopyBlockUnaligned(copy, blockInputs[i], rest);
                        blockInputs[i] = copy;
                        lastLengths[i] = rest;
                    }
                }
                else if (lastBlocks[i] > next)
                {
                    following = Math.Min(following, lastBlocks[i]);
                }
            }

            // The longest one may end here too, and then only its copy is as long as a block.
            for (int i = 0; i < width; i++)
            {
                if (i >= count || lastBlocks[i] < next)
                {
                    blockInputs[i] = blockInputs[longest];
                }
            }

            CompressLanes(width, lanes, blockInputs, 0, 1, firstFlags);
            if (position == 0 && following == uint.MaxValue && count == width)
            {
                StoreRows(width, lanes, output);
                return;
            }

            for (int i = 0; i < count; i++)
            {
                if (lastBlocks[i] == next)
                {
                    StoreLane(width, lanes, i, output + (i * ChainingValueSize));
                    inputs[i] = inputs[longest];
                }
            }

            if (following == uint.MaxValue)
            {
                return;
            }

            position = next + 1;
            next = following;
        }
    }

    /// <summary>Hashes a few messages without lanes where there is a kernel for so many; <see langword="false"/> when there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryHashRows(
        int count, byte* input, nuint stride, nuint blocks, ulong counter, ulong counterStep, uint firstFlags, uint lastFlags, byte* output)
    {
        if (HasAvx512 && count <= 4)
        {
            if (count == 2)
            {
                HashRows2Avx512(input, stride, blocks, counter, counterStep, firstFlags, lastFlags, output);
            }
            else
            {
                HashRows4Avx512(input, stride, count, blocks, counter, counterStep, firstFlags, lastFlags, output);
            }

            return true;
        }

        if (HasAvx2 && count <= 4)
        {
            if (count == 2)
            {
                HashRows2Avx2(input, stride, blocks, counter, counterStep, firstFlags, lastFlags, output);
            }
            else
            {
                HashRows4Avx2(input, stride, count, blocks, counter, counterStep, firstFlags, lastFlags, output);
            }

            return true;
        }

        return false;
    }

    /// <summary>Hashes one chunk block after block.</summary>
    /// <param name="input">The bytes of the chunk.</param>
    /// <param name="length">0 to 1,024; 0 only for the root.</param>
    /// <param name="counter">The index of the chunk.</param>
    /// <param name="endFlags">Flags of the last block beside <see cref="ChunkEnd"/>: 0 or <see cref="Root"/>.</param>
    /// <param name="output">Receives 32 bytes.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void HashOne(byte* input, uint length, ulong counter, uint endFlags, byte* output)
    {
        if (length % BlockSize == 0 && length > 0)
        {
            Compress(null, input, length / BlockSize, counter, ChunkStart, BlockSize, ChunkEnd | endFlags, (uint*)output);
            ToLittleEndian(output);
        }
        else
        {
            HashOnePadded(input, length, counter, endFlags, output);
        }
    }

    /// <summary>Joins two chaining values.</summary>
    /// <param name="children">64 bytes: left and right.</param>
    /// <param name="flags">0, or <see cref="Root"/> at the top.</param>
    /// <param name="output">Receives 32 bytes.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void HashParent(byte* children, uint flags, byte* output)
    {
        Compress(null, children, 1, 0, 0, BlockSize, flags | Parent, (uint*)output);
        ToLittleEndian(output);
    }

    /// <summary>Hashes messages of the same number of full blocks: whole chunks, or parents.</summary>
    /// <param name="width">The width of the kernel: 4, 8 or 16.</param>
    /// <param name="count">How many messages there are; the other lanes are not written to <paramref name="output"/>.</param>
    /// <param name="inputs"><paramref name="width"/> messages.</param>
    /// <param name="blocks">Blocks of each.</param>
    /// <param name="counter">The counter of the first message.</param>
    /// <param name="counterStep">What is added for each next one: 0 or 1.</param>
    /// <param name="firstFlags">Flags of the first block of each.</param>
    /// <param name="lastFlags">Flags of the last block of each.</param>
    /// <param name="output">Receives 32 bytes a message.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    internal static void HashSameLength(
        int width, int count, byte** inputs, nuint blocks, ulong counter, uint counterStep, uint firstFlags, uint lastFlags, byte* output)
    {
        uint* lanes = stackalloc uint[MaxLanes * WordsPerLane];
        StartLanes(width, lanes, counter, counterStep, lastFlags);
        CompressLanes(width, lanes, inputs, 0, blocks, firstFlags);
        if (count == width)
        {
            StoreRows(width, lanes, output);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            StoreLane(width, lanes, i, output + (i * ChainingValueSize));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void HashOnePadded(byte* input, uint length, ulong counter, uint endFlags, byte* output)
    {
        byte* padded = stackalloc byte[BlockSize];
        uint partial = length % BlockSize;
        uint whole = length / BlockSize;
        new Span<byte>(padded, BlockSize).Clear();
        Unsafe.CopyBlockUnaligned(padded, input + (whole * BlockSize), partial);
        uint* cv = null;
        if (whole > 0)
        {
            cv = (uint*)output;
            Compress(null, input, whole, counter, ChunkStart, BlockSize, 0, cv);
        }

        Compress(cv, padded, 1, counter, whole == 0 ? ChunkStart : 0, partial, ChunkEnd | endFlags, (uint*)output);
        ToLittleEndian(output);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool AllWhole(int count, uint* lengths)
    {
        uint all = ChunkSize;
        for (int i = 0; i < count; i++)
        {
            all &= lengths[i]; // of lengths up to that of a chunk, only that one has its bit
        }

        return all != 0;
    }

    /// <summary>A group of consecutive chunks, whole but for the last.</summary>
    [SkipLocalsInit]
    private static void HashShortened(int width, int count, byte** inputs, nuint size, ulong counter, byte* cvs)
    {
        uint* lengths = stackalloc uint[MaxLanes];
        ulong* counters = stackalloc ulong[MaxLanes];
        uint* endFlags = stackalloc uint[MaxLanes];
        for (int i = 0; i < count; i++)
        {
            lengths[i] = ChunkSize;
            counters[i] = counter + (ulong)i;
            endFlags[i] = 0;
        }

        lengths[count - 1] = (uint)size - ((uint)(count - 1) * ChunkSize);
        HashGroup(width, count, inputs, lengths, counters, endFlags, cvs);
    }

    /// <summary>Fills the memory of the lanes: the initial value, consecutive counters, a full last block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StartLanes(int width, uint* lanes, ulong counter, uint counterStep, uint lastFlags)
    {
        for (int word = 0; word < 8; word++)
        {
            Fill(width, lanes + (word * width), InitialValue[word]);
        }

        Count(width, lanes + (CounterLowWord * width), lanes + (CounterHighWord * width), counter, counterStep);
        Fill(width, lanes + (LengthWord * width), BlockSize);
        Fill(width, lanes + (FlagsWord * width), lastFlags);
    }

    // What follows writes whole vectors because that is how the kernels read them back at once.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fill(int width, uint* words, uint value)
    {
        if (width == 16)
        {
            Vector512.Create(value).Store(words);
        }
        else if (width == 8)
        {
            Vector256.Create(value).Store(words);
        }
        else
        {
            Vector128.Create(value).Store(words);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Count(int width, uint* low, uint* high, ulong counter, uint step)
    {
        // A sum below the first one has wrapped; comparing gives -1 there.
        uint first = (uint)counter, top = (uint)(counter >> 32);
        if (width == 16)
        {
            Vector512<uint> sums = Vector512.Create(first) + (Vector512<uint>.Indices * Vector512.Create(step));
            sums.Store(low);
            (Vector512.Create(top) - Vector512.LessThan(sums, Vector512.Create(first))).Store(high);
        }
        else if (width == 8)
        {
            Vector256<uint> sums = Vector256.Create(first) + (Vector256<uint>.Indices * Vector256.Create(step));
            sums.Store(low);
            (Vector256.Create(top) - Vector256.LessThan(sums, Vector256.Create(first))).Store(high);
        }
        else
        {
            Vector128<uint> sums = Vector128.Create(first) + (Vector128<uint>.Indices * Vector128.Create(step));
            sums.Store(low);
            (Vector128.Create(top) - Vector128.LessThan(sums, Vector128.Create(first))).Store(high);
        }
    }
}
