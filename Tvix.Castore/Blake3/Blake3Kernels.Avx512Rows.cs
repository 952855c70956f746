using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tvix.Castore.Blake3;

/// <content>2 to 4 messages on AVX-512: as for one message, but each register holds a row of four states.</content>
/// <remarks>It takes as long as one message, half as long as lanes do: what counts is how long a step waits for the one before it.
/// A part (128 bits) of a register belongs to one message; see the row kernels for the order of the words in it.</remarks>
internal static unsafe partial class Blake3Kernels
{
    /// <summary>Compresses blocks of 4 messages side by side, see <see cref="CompressLanes"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Compress4Rows(uint* lanes, byte** inputs, nuint offset, nuint blocks, uint firstFlags)
    {
        // From four words of each message, word by word, to message by message and back.
        Vector512<uint> transpose = Vector512.Create(0u, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        Vector512<uint> order = Vector512.Create(0u, 2, 4, 6, 1, 3, 5, 7, 14, 8, 10, 12, 15, 9, 11, 13);
        Vector512<uint> a = Avx512F.PermuteVar16x32(Vector512.Load(lanes), transpose);
        Vector512<uint> b = Avx512F.PermuteVar16x32(Vector512.Load(lanes + 16), transpose);
        Vector512<uint> lastTail = Avx512F.PermuteVar16x32(Vector512.Load(lanes + 32), transpose);
        Vector512<uint> counters = Avx512F.UnpackLow(lastTail.AsUInt64(), Vector512<ulong>.Zero).AsUInt32();
        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, offset += BlockSize)
        {
            Vector512<ulong> m0 = Avx512F.PermuteVar16x32(Vector512.Load((uint*)(inputs[0] + offset)), order).AsUInt64();
            Vector512<ulong> m1 = Avx512F.PermuteVar16x32(Vector512.Load((uint*)(inputs[1] + offset)), order).AsUInt64();
            Vector512<ulong> m2 = Avx512F.PermuteVar16x32(Vector512.Load((uint*)(inputs[2] + offset)), order).AsUInt64();
            Vector512<ulong> m3 = Avx512F.PermuteVar16x32(Vector512.Load((uint*)(inputs[3] + offset)), order).AsUInt64();
            Vector512<ulong> even01 = Avx512F.Shuffle4x128(m0, m1, 0x88), even23 = Avx512F.Shuffle4x128(m2, m3, 0x88);
            Vector512<ulong> odd01 = Avx512F.Shuffle4x128(m0, m1, 0xDD), odd23 = Avx512F.Shuffle4x128(m2, m3, 0xDD);
            Vector512<uint> t0 = Avx512F.Shuffle4x128(even01, even23, 0x88).AsUInt32();
            Vector512<uint> t1 = Avx512F.Shuffle4x128(odd01, odd23, 0x88).AsUInt32();
            Vector512<uint> t2 = Avx512F.Shuffle4x128(even01, even23, 0xDD).AsUInt32();
            Vector512<uint> t3 = Avx512F.Shuffle4x128(odd01, odd23, 0xDD).AsUInt32();

            Vector512<uint> c = Vector512.Create(
                0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
            ulong lengthAndFlags = BlockSize | ((ulong)flags << 32);
            Vector512<uint> d = blocks == 1
                ? lastTail | Avx512F.UnpackLow(Vector512<ulong>.Zero, Vector512.Create((ulong)flags << 32)).AsUInt32()
                : counters | Avx512F.UnpackLow(Vector512<ulong>.Zero, Vector512.Create(lengthAndFlags)).AsUInt32();
            for (int round = 0; ; round++)
            {
                a = a + t0 + b;
                d = Avx512F.RotateRight(d ^ a, 16);
                c += d;
                b = Avx512F.RotateRight(b ^ c, 12);
                a = a + t1 + b;
                d = Avx512F.RotateRight(d ^ a, 8);
                c += d;
                b = Avx512F.RotateRight(b ^ c, 7);
                a = Avx512F.Shuffle(a, 0b10_01_00_11);
                d = Avx512F.Shuffle(d, 0b01_00_11_10);
                c = Avx512F.Shuffle(c, 0b00_11_10_01);
                a = a + t2 + b;
                d = Avx512F.RotateRight(d ^ a, 16);
                c += d;
                b = Avx512F.RotateRight(b ^ c, 12);
                a = a + t3 + b;
                d = Avx512F.RotateRight(d ^ a, 8);
                c += d;
                b = Avx512F.RotateRight(b ^ c, 7);
                a = Avx512F.Shuffle(a, 0b00_11_10_01);
                d = Avx512F.Shuffle(d, 0b01_00_11_10);
                c = Avx512F.Shuffle(c, 0b10_01_00_11);
                if (round == 6)
                {
                    break;
                }

                // With shuffles that take one cycle: those between two registers take three, and hold up the rows.
                Vector512<float> f0 = t0.AsSingle(), f1 = t1.AsSingle(), f2 = t2.AsSingle(), f3 = t3.AsSingle();
                Vector512<uint> low = Avx512F.UnpackLow(t3, t1), high = Avx512F.UnpackHigh(t3, t1);
                t0 = Avx512F.Shuffle(Avx512F.Shuffle(f0, f1, 0b11_01_10_01).AsUInt32(), 0b01_11_10_00);
                t1 = Avx512F.Shuffle(Avx512F.Shuffle(f0, Avx512F.Shuffle(f2, f3, 0b11_11_10_10), 0b10_00_00_11).AsUInt32(), 0b11_01_10_00);
                t2 = Avx512F.Shuffle(low.AsSingle(), Avx512F.Shuffle(f2, f3, 0b01_01_11_11), 0b10_00_01_00).AsUInt32();
                t3 = Avx512F.Shuffle(Avx512F.Shuffle(f2, high.AsSingle(), 0b01_00_00_01).AsUInt32(), 0b01_11_10_00);
            }

            a ^= c;
            b ^= d;
        }

        Avx512F.PermuteVar16x32(a, transpose).Store(lanes);
        Avx512F.PermuteVar16x32(b, transpose).Store(lanes + 16);
    }

    /// <summary>Hashes whole blocks of 3 or 4 messages that lie one after another: chunks, or parents.</summary>
    /// <param name="input">The first message.</param>
    /// <param name="stride">From one message to the next, in bytes.</param>
    /// <param name="count">3 or 4.</param>
    /// <param name="blocks">Blocks of each, at least 1.</param>
    /// <param name="counter">The counter of the first message.</param>
    /// <param name="counterStep">What is added for each next one: 0 or 1.</param>
    /// <param name="firstFlags">Flags of the first block of each.</param>
    /// <param name="lastFlags">Flags of the last block of each.</param>
    /// <param name="output">Receives 32 bytes a message; may be where the messages are.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void HashRows4Avx512(
        byte* input, nuint stride, int count, nuint blocks, ulong counter, ulong counterStep, uint firstFlags, uint lastFlags, byte* output)
    {
        Vector512<uint> order = Vector512.Create(0u, 2, 4, 6, 1, 3, 5, 7, 14, 8, 10, 12, 15, 9, 11, 13);
        Vector512<uint> a = Vector512.Create(
            0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
            0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
        Vector512<uint> b = Vector512.Create(
            0x510E527Fu, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
            0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19);
        Vector512<ulong> counters = Vector512.Create(counter) + Vector512.Create(0, 0, counterStep, 0, 2 * counterStep, 0, 3 * counterStep, 0);
        byte* input3 = input + (count == 4 ? 3 * stride : 0);
        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, input += BlockSize, input3 += BlockSize)
        {
            flags |= blocks == 1 ? lastFlags : 0;
            Vector512<ulong> m0 = Avx512F.PermuteVar16x32(Vector512.Load((uint*)input), order).AsUInt64();
            Vector512<ulong> m1 = Avx512F.PermuteVar16x32(Vector512.Load((uint*)(input + stride)), order).AsUInt64();
            Vector512<ulong> m2 = Avx512F.PermuteVar16x32(Vector512.Load((uint*)(input + (2 * stride))), order).AsUInt64();
            Vector512<ulong> m3 = Avx512F.PermuteVar16x32(Vector512.Load((uint*)input3), order).AsUInt64();
            Vector512<ulong> even01 = Avx512F.Shuffle4x128(m0, m1, 0x88), even23 = Avx512F.Shuffle4x128(m2, m3, 0x88);
            Vector512<ulong> odd01 = Avx512F.Shuffle4x128(m0, m1, 0xDD), odd23 = Avx512F.Shuffle4x128(m2, m3, 0xDD);
            Vector512<uint> t0 = Avx512F.Shuffle4x128(even01, even23, 0x88).AsUInt32();
            Vector512<uint> t1 = Avx512F.Shuffle4x128(odd01, odd23, 0x88).AsUInt32();
            Vector512<uint> t2 = Avx512F.Shuffle4x128(even01, even23, 0xDD).AsUInt32();
            Vector512<uint> t3 = Avx512F.Shuffle4x128(odd01, odd23, 0xDD).AsUInt32();

            Vector512<uint> c = Vector512.Create(
                0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
            Vector512<uint> d = Avx512F.UnpackLow(counters, Vector512.Create(BlockSize | ((ulong)flags << 32))).AsUInt32();
            for (int round = 0; ; round++)
            {
                a = a + t0 + b;
                d = Avx512F.RotateRight(d ^ a, 16);
                c += d;
                b = Avx512F.RotateRight(b ^ c, 12);
                a = a + t1 + b;
                d = Avx512F.RotateRight(d ^ a, 8);
                c += d;
                b = Avx512F.RotateRight(b ^ c, 7);
                a = Avx512F.Shuffle(a, 0b10_01_00_11);
                d = Avx512F.Shuffle(d, 0b01_00_11_10);
                c = Avx512F.Shuffle(c, 0b00_11_10_01);
                a = a + t2 + b;
                d = Avx512F.RotateRight(d ^ a, 16);
                c += d;
                b = Avx512F.RotateRight(b ^ c, 12);
                a = a + t3 + b;
                d = Avx512F.RotateRight(d ^ a, 8);
                c += d;
                b = Avx512F.RotateRight(b ^ c, 7);
                a = Avx512F.Shuffle(a, 0b00_11_10_01);
                d = Avx512F.Shuffle(d, 0b01_00_11_10);
                c = Avx512F.Shuffle(c, 0b10_01_00_11);
                if (round == 6)
                {
                    break;
                }

                // With shuffles that take one cycle: those between two registers take three, and hold up the rows.
                Vector512<float> f0 = t0.AsSingle(), f1 = t1.AsSingle(), f2 = t2.AsSingle(), f3 = t3.AsSingle();
                Vector512<uint> low = Avx512F.UnpackLow(t3, t1), high = Avx512F.UnpackHigh(t3, t1);
                t0 = Avx512F.Shuffle(Avx512F.Shuffle(f0, f1, 0b11_01_10_01).AsUInt32(), 0b01_11_10_00);
                t1 = Avx512F.Shuffle(Avx512F.Shuffle(f0, Avx512F.Shuffle(f2, f3, 0b11_11_10_10), 0b10_00_00_11).AsUInt32(), 0b11_01_10_00);
                t2 = Avx512F.Shuffle(low.AsSingle(), Avx512F.Shuffle(f2, f3, 0b01_01_11_11), 0b10_00_01_00).AsUInt32();
                t3 = Avx512F.Shuffle(Avx512F.Shuffle(f2, high.AsSingle(), 0b01_00_00_01).AsUInt32(), 0b01_11_10_00);
            }

            a ^= c;
            b ^= d;
        }

        // Rows of 32 bytes, two to a store, so that the level above can load them whole at once.
        Vector512<ulong> rows01 = Avx512F.PermuteVar8x64x2(a.AsUInt64(), Vector512.Create(0ul, 1, 8, 9, 2, 3, 10, 11), b.AsUInt64());
        Vector512<ulong> rows23 = Avx512F.PermuteVar8x64x2(a.AsUInt64(), Vector512.Create(4ul, 5, 12, 13, 6, 7, 14, 15), b.AsUInt64());
        rows01.Store((ulong*)output);
        if (count == 4)
        {
            rows23.Store((ulong*)output + 8);
        }
        else
        {
            rows23.GetLower().Store((ulong*)output + 8);
        }
    }

    /// <summary>As <see cref="HashRows4Avx512"/>, for 2 messages.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void HashRows2Avx512(
        byte* input, nuint stride, nuint blocks, ulong counter, ulong counterStep, uint firstFlags, uint lastFlags, byte* output)
    {
        Vector256<uint> a = Vector256.Create(0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
        Vector256<uint> b = Vector256.Create(0x510E527Fu, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19);
        Vector256<ulong> counters = Vector256.Create(counter, 0, counter + counterStep, 0);
        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, input += BlockSize)
        {
            flags |= blocks == 1 ? lastFlags : 0;
            LoadWords(input, input + stride, out Vector256<uint> t0, out Vector256<uint> t1, out Vector256<uint> t2, out Vector256<uint> t3);
            Vector256<uint> c = Vector256.Create(0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
            Vector256<uint> d = Avx2.UnpackLow(counters, Vector256.Create(BlockSize | ((ulong)flags << 32))).AsUInt32();
            for (int round = 0; ; round++)
            {
                a = a + t0 + b;
                d = Avx512F.VL.RotateRight(d ^ a, 16);
                c += d;
                b = Avx512F.VL.RotateRight(b ^ c, 12);
                a = a + t1 + b;
                d = Avx512F.VL.RotateRight(d ^ a, 8);
                c += d;
                b = Avx512F.VL.RotateRight(b ^ c, 7);
                a = Avx2.Shuffle(a, 0b10_01_00_11);
                d = Avx2.Shuffle(d, 0b01_00_11_10);
                c = Avx2.Shuffle(c, 0b00_11_10_01);
                a = a + t2 + b;
                d = Avx512F.VL.RotateRight(d ^ a, 16);
                c += d;
                b = Avx512F.VL.RotateRight(b ^ c, 12);
                a = a + t3 + b;
                d = Avx512F.VL.RotateRight(d ^ a, 8);
                c += d;
                b = Avx512F.VL.RotateRight(b ^ c, 7);
                a = Avx2.Shuffle(a, 0b00_11_10_01);
                d = Avx2.Shuffle(d, 0b01_00_11_10);
                c = Avx2.Shuffle(c, 0b10_01_00_11);
                if (round == 6)
                {
                    break;
                }

                NextWords(ref t0, ref t1, ref t2, ref t3);
            }

            a ^= c;
            b ^= d;
        }

        Avx2.Permute2x128(a, b, 0x20).Store((uint*)output);
        Avx2.Permute2x128(a, b, 0x31).Store((uint*)output + 8);
    }
}
