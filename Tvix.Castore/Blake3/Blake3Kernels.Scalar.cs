using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Tvix.Castore.Blake3;

/// <content>The readable form, one block at a time. The other kernels are tested against it.</content>
internal static unsafe partial class Blake3Kernels
{
    private static ReadOnlySpan<byte> MessagePermutation => [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

    /// <summary>Compresses one block into a chaining value, word by word.</summary>
    /// <param name="cv">8 words, read and overwritten.</param>
    /// <param name="block">64 bytes, padded with zeros.</param>
    /// <param name="counter">The index of the chunk; 0 for parents and roots.</param>
    /// <param name="length">The bytes of the block before the padding.</param>
    /// <param name="flags">What the block is.</param>
    internal static void CompressScalar(Span<uint> cv, ReadOnlySpan<byte> block, ulong counter, uint length, uint flags)
    {
        Span<uint> message = stackalloc uint[16];
        for (int i = 0; i < 16; i++)
        {
            message[i] = BinaryPrimitives.ReadUInt32LittleEndian(block[(4 * i)..]);
        }

        Span<uint> state = stackalloc uint[16];
        cv[..8].CopyTo(state);
        InitialValue[..4].CopyTo(state[8..]);
        state[12] = (uint)counter;
        state[13] = (uint)(counter >> 32);
        state[14] = length;
        state[15] = flags;

        Span<uint> permuted = stackalloc uint[16];
        for (int round = 0; ; round++)
        {
            // Columns, then diagonals.
            Mix(ref state[0], ref state[4], ref state[8], ref state[12], message[0], message[1]);
            Mix(ref state[1], ref state[5], ref state[9], ref state[13], message[2], message[3]);
            Mix(ref state[2], ref state[6], ref state[10], ref state[14], message[4], message[5]);
            Mix(ref state[3], ref state[7], ref state[11], ref state[15], message[6], message[7]);
            Mix(ref state[0], ref state[5], ref state[10], ref state[15], message[8], message[9]);
            Mix(ref state[1], ref state[6], ref state[11], ref state[12], message[10], message[11]);
            Mix(ref state[2], ref state[7], ref state[8], ref state[13], message[12], message[13]);
            Mix(ref state[3], ref state[4], ref state[9], ref state[14], message[14], message[15]);
            if (round == 6)
            {
                break;
            }

            for (int i = 0; i < 16; i++)
            {
                permuted[i] = message[MessagePermutation[i]];
            }

            permuted.CopyTo(message);
        }

        for (int i = 0; i < 8; i++)
        {
            cv[i] = state[i] ^ state[i + 8];
        }
    }

    private static void Mix(ref uint a, ref uint b, ref uint c, ref uint d, uint x, uint y)
    {
        a += b + x;
        d = BitOperations.RotateRight(d ^ a, 16);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 12);
        a += b + y;
        d = BitOperations.RotateRight(d ^ a, 8);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 7);
    }

    /// <summary>As <see cref="CompressRowsAvx512"/>, word by word.</summary>
    internal static void CompressScalar(
        uint* cv, byte* input, nuint blocks, ulong counter, uint firstFlags, uint lastLength, uint lastFlags, uint* output)
    {
        Span<uint> words = stackalloc uint[8]; // the output may be where the input is
        (cv is null ? InitialValue : new ReadOnlySpan<uint>(cv, 8)).CopyTo(words);
        for (uint flags = firstFlags; blocks > 1; blocks--, flags = 0, firstFlags = 0, input += BlockSize)
        {
            CompressScalar(words, new ReadOnlySpan<byte>(input, BlockSize), counter, BlockSize, flags);
        }

        CompressScalar(words, new ReadOnlySpan<byte>(input, BlockSize), counter, lastLength, firstFlags | lastFlags);
        words.CopyTo(new Span<uint>(output, 8));
    }

    /// <summary>Turns 8 words as the CPU has them into 32 bytes; all that has vectors has them in that order already.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ToLittleEndian(byte* words)
    {
        if (!BitConverter.IsLittleEndian)
        {
            StoreLane(1, (uint*)words, 0, words);
        }
    }

    /// <summary>Writes the chaining value of one lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreLane(int width, uint* lanes, int lane, byte* output)
    {
        for (int i = 0; i < 8; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(new Span<byte>(output + (4 * i), 4), lanes[(i * width) + lane]);
        }
    }
}
