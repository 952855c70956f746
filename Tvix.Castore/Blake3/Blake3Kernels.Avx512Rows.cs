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

        // From the order of a round to that of the next: an index of 16 and more is a word of the second register.
        Vector512<uint> t0FromT0T1 = Vector512.Create(1u, 17, 19, 2, 5, 21, 23, 6, 9, 25, 27, 10, 13, 29, 31, 14);
        Vector512<uint> t1FromT2T3 = Vector512.Create(0u, 2, 0, 19, 0, 6, 0, 23, 0, 10, 0, 27, 0, 14, 0, 31);
        Vector512<uint> t1FromT0 = Vector512.Create(3u, 17, 0, 19, 7, 21, 4, 23, 11, 25, 8, 27, 15, 29, 12, 31);
        Vector512<uint> t2FromT3T2 = Vector512.Create(0u, 0, 19, 1, 4, 0, 23, 5, 8, 0, 27, 9, 12, 0, 31, 13);
        Vector512<uint> t2FromT1 = Vector512.Create(16u, 0, 18, 19, 20, 4, 22, 23, 24, 8, 26, 27, 28, 12, 30, 31);
        Vector512<uint> t3FromT2T3 = Vector512.Create(1u, 18, 0, 0, 5, 22, 0, 4, 9, 26, 0, 8, 13, 30, 0, 12);
        Vector512<uint> t3FromT1 = Vector512.Create(16u, 17, 2, 19, 20, 21, 6, 23, 24, 25, 10, 27, 28, 29, 14, 31);

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

                Vector512<uint> n0 = Avx512F.PermuteVar16x32x2(t0, t0FromT0T1, t1);
                Vector512<uint> n1 = Avx512F.PermuteVar16x32x2(t0, t1FromT0, Avx512F.PermuteVar16x32x2(t2, t1FromT2T3, t3));
                Vector512<uint> n2 = Avx512F.PermuteVar16x32x2(t1, t2FromT1, Avx512F.PermuteVar16x32x2(t3, t2FromT3T2, t2));
                t3 = Avx512F.PermuteVar16x32x2(t1, t3FromT1, Avx512F.PermuteVar16x32x2(t2, t3FromT2T3, t3));
                t0 = n0;
                t1 = n1;
                t2 = n2;
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
            Vector512<uint> t0_0 = Avx512F.Shuffle4x128(even01, even23, 0x88).AsUInt32();
            Vector512<uint> t0_1 = Avx512F.Shuffle4x128(odd01, odd23, 0x88).AsUInt32();
            Vector512<uint> t0_2 = Avx512F.Shuffle4x128(even01, even23, 0xDD).AsUInt32();
            Vector512<uint> t0_3 = Avx512F.Shuffle4x128(odd01, odd23, 0xDD).AsUInt32();

            Vector512<uint> c = Vector512.Create(
                0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
            Vector512<uint> d = Avx512F.UnpackLow(counters, Vector512.Create(BlockSize | ((ulong)flags << 32))).AsUInt32();
            // Round 1.
            a = a + t0_0 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t0_1 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b10_01_00_11); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b00_11_10_01);
            a = a + t0_2 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t0_3 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b00_11_10_01); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b10_01_00_11);

            // Round 2.
            Vector512<uint> t1_0 = Avx512F.PermuteVar16x32x2(t0_1, Vector512.Create(17u, 1, 3, 18, 21, 5, 7, 22, 25, 9, 11, 26, 29, 13, 15, 30), t0_0);
            Vector512<uint> t3_0 = Avx512F.PermuteVar16x32x2(t0_3, Vector512.Create(18u, 19, 16, 3, 22, 23, 20, 7, 26, 27, 24, 11, 30, 31, 28, 15), t0_2);
            Vector512<uint> t1_1 = Avx512F.PermuteVar16x32x2(t3_0, Vector512.Create(19u, 0, 16, 3, 23, 4, 20, 7, 27, 8, 24, 11, 31, 12, 28, 15), t0_0);
            Vector512<uint> t2_0 = Avx512F.PermuteVar16x32x2(t1_1, Vector512.Create(17u, 1, 3, 18, 21, 5, 7, 22, 25, 9, 11, 26, 29, 13, 15, 30), t1_0);
            Vector512<uint> t3_1 = Avx512F.PermuteVar16x32x2(t2_0, Vector512.Create(3u, 17, 0, 16, 7, 21, 4, 20, 11, 25, 8, 24, 15, 29, 12, 28), t0_3);
            Vector512<uint> t4_0 = Avx512F.PermuteVar16x32x2(t3_1, Vector512.Create(17u, 1, 3, 18, 21, 5, 7, 22, 25, 9, 11, 26, 29, 13, 15, 30), t3_0);
            Vector512<uint> t1_2 = Avx512F.PermuteVar16x32x2(t4_0, Vector512.Create(2u, 16, 0, 1, 6, 20, 4, 5, 10, 24, 8, 9, 14, 28, 12, 13), t0_1);
            Vector512<uint> t3_3 = Avx512F.PermuteVar16x32x2(t0_2, Vector512.Create(19u, 16, 17, 1, 23, 20, 21, 5, 27, 24, 25, 9, 31, 28, 29, 13), t0_0);
            Vector512<uint> t4_2 = Avx512F.PermuteVar16x32x2(t3_3, Vector512.Create(0u, 19, 18, 1, 4, 23, 22, 5, 8, 27, 26, 9, 12, 31, 30, 13), t0_1);
            Vector512<uint> t2_3 = Avx512F.PermuteVar16x32x2(t4_2, Vector512.Create(17u, 2, 3, 16, 21, 6, 7, 20, 25, 10, 11, 24, 29, 14, 15, 28), t1_2);
            Vector512<uint> t5_1 = Avx512F.PermuteVar16x32x2(t2_3, Vector512.Create(19u, 1, 16, 0, 23, 5, 20, 4, 27, 9, 24, 8, 31, 13, 28, 12), t4_0);
            Vector512<uint> t2_2 = Avx512F.PermuteVar16x32x2(t3_3, Vector512.Create(3u, 0, 17, 18, 7, 4, 21, 22, 11, 8, 25, 26, 15, 12, 29, 30), t0_3);
            Vector512<uint> t5_0 = Avx512F.PermuteVar16x32x2(t2_3, Vector512.Create(18u, 19, 16, 3, 22, 23, 20, 7, 26, 27, 24, 11, 30, 31, 28, 15), t2_2);
            Vector512<uint> t1_3 = Avx512F.PermuteVar16x32x2(t5_1, Vector512.Create(18u, 17, 1, 0, 22, 21, 5, 4, 26, 25, 9, 8, 30, 29, 13, 12), t5_0);
            a = a + t1_0 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t1_1 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b10_01_00_11); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b00_11_10_01);
            a = a + t1_2 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t1_3 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b00_11_10_01); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b10_01_00_11);

            // Round 3.
            Vector512<uint> t2_1 = Avx512F.PermuteVar16x32x2(t1_0, Vector512.Create(3u, 19, 0, 16, 7, 23, 4, 20, 11, 27, 8, 24, 15, 31, 12, 28), t0_2);
            a = a + t2_0 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t2_1 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b10_01_00_11); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b00_11_10_01);
            a = a + t2_2 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t2_3 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b00_11_10_01); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b10_01_00_11);

            // Round 4.
            Vector512<uint> t4_3 = Avx512F.PermuteVar16x32x2(t2_3, Vector512.Create(19u, 16, 17, 0, 23, 20, 21, 4, 27, 24, 25, 8, 31, 28, 29, 12), t1_0);
            Vector512<uint> t3_2 = Avx512F.PermuteVar16x32x2(t1_3, Vector512.Create(19u, 16, 1, 2, 23, 20, 5, 6, 27, 24, 9, 10, 31, 28, 13, 14), t4_3);
            a = a + t3_0 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t3_1 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b10_01_00_11); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b00_11_10_01);
            a = a + t3_2 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t3_3 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b00_11_10_01); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b10_01_00_11);

            // Round 5.
            Vector512<uint> t4_1 = Avx512F.PermuteVar16x32x2(t2_2, Vector512.Create(18u, 3, 17, 0, 22, 7, 21, 4, 26, 11, 25, 8, 30, 15, 29, 12), t2_0);
            a = a + t4_0 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t4_1 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b10_01_00_11); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b00_11_10_01);
            a = a + t4_2 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t4_3 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b00_11_10_01); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b10_01_00_11);

            // Round 6.
            Vector512<uint> t5_2 = Avx512F.PermuteVar16x32x2(t4_3, Vector512.Create(0u, 19, 18, 1, 4, 23, 22, 5, 8, 27, 26, 9, 12, 31, 30, 13), t1_1);
            Vector512<uint> t5_3 = Avx512F.PermuteVar16x32x2(t4_2, Vector512.Create(1u, 16, 17, 0, 5, 20, 21, 4, 9, 24, 25, 8, 13, 28, 29, 12), t2_0);
            a = a + t5_0 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t5_1 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b10_01_00_11); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b00_11_10_01);
            a = a + t5_2 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t5_3 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b00_11_10_01); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b10_01_00_11);

            // Round 7.
            Vector512<uint> t6_0 = Avx512F.PermuteVar16x32x2(t3_2, Vector512.Create(2u, 3, 0, 16, 6, 7, 4, 20, 10, 11, 8, 24, 14, 15, 12, 28), t1_3);
            Vector512<uint> t6_1 = Avx512F.PermuteVar16x32x2(t5_0, Vector512.Create(3u, 19, 0, 16, 7, 23, 4, 20, 11, 27, 8, 24, 15, 31, 12, 28), t4_2);
            Vector512<uint> t6_2 = Avx512F.PermuteVar16x32x2(t5_3, Vector512.Create(0u, 19, 18, 1, 4, 23, 22, 5, 8, 27, 26, 9, 12, 31, 30, 13), t2_1);
            Vector512<uint> t6_3 = Avx512F.PermuteVar16x32x2(t5_2, Vector512.Create(1u, 16, 17, 0, 5, 20, 21, 4, 9, 24, 25, 8, 13, 28, 29, 12), t3_0);
            a = a + t6_0 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t6_1 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b10_01_00_11); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b00_11_10_01);
            a = a + t6_2 + b; d = Avx512F.RotateRight(d ^ a, 16); c += d; b = Avx512F.RotateRight(b ^ c, 12);
            a = a + t6_3 + b; d = Avx512F.RotateRight(d ^ a, 8); c += d; b = Avx512F.RotateRight(b ^ c, 7);
            a = Avx512F.Shuffle(a, 0b00_11_10_01); d = Avx512F.Shuffle(d, 0b01_00_11_10); c = Avx512F.Shuffle(c, 0b10_01_00_11);

            a ^= c;
            b ^= d;
        }

        // Rows of 32 bytes, two to a store, so that the level above can load them whole at once.
        Vector512<ulong> low = Avx512F.PermuteVar8x64x2(a.AsUInt64(), Vector512.Create(0ul, 1, 8, 9, 2, 3, 10, 11), b.AsUInt64());
        Vector512<ulong> high = Avx512F.PermuteVar8x64x2(a.AsUInt64(), Vector512.Create(4ul, 5, 12, 13, 6, 7, 14, 15), b.AsUInt64());
        low.Store((ulong*)output);
        if (count == 4)
        {
            high.Store((ulong*)output + 8);
        }
        else
        {
            high.GetLower().Store((ulong*)output + 8);
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
            Vector256<float> m0 = LoadQuarters(input, input + stride).AsSingle();
            Vector256<float> m4 = LoadQuarters(input + 16, input + stride + 16).AsSingle();
            Vector256<float> m8 = LoadQuarters(input + 32, input + stride + 32).AsSingle();
            Vector256<float> m12 = LoadQuarters(input + 48, input + stride + 48).AsSingle();
            Vector256<uint> t0_0 = Avx.Shuffle(m0, m4, 0b10_00_10_00).AsUInt32();
            Vector256<uint> t0_1 = Avx.Shuffle(m0, m4, 0b11_01_11_01).AsUInt32();
            Vector256<uint> t0_2 = Avx2.Shuffle(Avx.Shuffle(m8, m12, 0b10_00_10_00).AsUInt32(), 0b10_01_00_11);
            Vector256<uint> t0_3 = Avx2.Shuffle(Avx.Shuffle(m8, m12, 0b11_01_11_01).AsUInt32(), 0b10_01_00_11);
            Vector256<uint> c = Vector256.Create(0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
            Vector256<uint> d = Avx2.UnpackLow(counters, Vector256.Create(BlockSize | ((ulong)flags << 32))).AsUInt32();
            // Round 1.
            a = a + t0_0 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t0_1 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b10_01_00_11); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b00_11_10_01);
            a = a + t0_2 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t0_3 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b00_11_10_01); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b10_01_00_11);

            // Round 2.
            Vector256<uint> t1_0 = Avx512F.VL.PermuteVar8x32x2(t0_1, Vector256.Create(9u, 1, 3, 10, 13, 5, 7, 14), t0_0);
            Vector256<uint> t3_0 = Avx512F.VL.PermuteVar8x32x2(t0_3, Vector256.Create(10u, 11, 8, 3, 14, 15, 12, 7), t0_2);
            Vector256<uint> t1_1 = Avx512F.VL.PermuteVar8x32x2(t3_0, Vector256.Create(11u, 0, 8, 3, 15, 4, 12, 7), t0_0);
            Vector256<uint> t2_0 = Avx512F.VL.PermuteVar8x32x2(t1_1, Vector256.Create(9u, 1, 3, 10, 13, 5, 7, 14), t1_0);
            Vector256<uint> t3_1 = Avx512F.VL.PermuteVar8x32x2(t2_0, Vector256.Create(3u, 9, 0, 8, 7, 13, 4, 12), t0_3);
            Vector256<uint> t4_0 = Avx512F.VL.PermuteVar8x32x2(t3_1, Vector256.Create(9u, 1, 3, 10, 13, 5, 7, 14), t3_0);
            Vector256<uint> t1_2 = Avx512F.VL.PermuteVar8x32x2(t4_0, Vector256.Create(2u, 8, 0, 1, 6, 12, 4, 5), t0_1);
            Vector256<uint> t3_3 = Avx512F.VL.PermuteVar8x32x2(t0_2, Vector256.Create(11u, 8, 9, 1, 15, 12, 13, 5), t0_0);
            Vector256<uint> t4_2 = Avx512F.VL.PermuteVar8x32x2(t3_3, Vector256.Create(0u, 11, 10, 1, 4, 15, 14, 5), t0_1);
            Vector256<uint> t2_3 = Avx512F.VL.PermuteVar8x32x2(t4_2, Vector256.Create(9u, 2, 3, 8, 13, 6, 7, 12), t1_2);
            Vector256<uint> t5_1 = Avx512F.VL.PermuteVar8x32x2(t2_3, Vector256.Create(11u, 1, 8, 0, 15, 5, 12, 4), t4_0);
            Vector256<uint> t2_2 = Avx512F.VL.PermuteVar8x32x2(t3_3, Vector256.Create(3u, 0, 9, 10, 7, 4, 13, 14), t0_3);
            Vector256<uint> t5_0 = Avx512F.VL.PermuteVar8x32x2(t2_3, Vector256.Create(10u, 11, 8, 3, 14, 15, 12, 7), t2_2);
            Vector256<uint> t1_3 = Avx512F.VL.PermuteVar8x32x2(t5_1, Vector256.Create(10u, 9, 1, 0, 14, 13, 5, 4), t5_0);
            a = a + t1_0 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t1_1 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b10_01_00_11); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b00_11_10_01);
            a = a + t1_2 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t1_3 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b00_11_10_01); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b10_01_00_11);

            // Round 3.
            Vector256<uint> t2_1 = Avx512F.VL.PermuteVar8x32x2(t1_0, Vector256.Create(3u, 11, 0, 8, 7, 15, 4, 12), t0_2);
            a = a + t2_0 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t2_1 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b10_01_00_11); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b00_11_10_01);
            a = a + t2_2 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t2_3 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b00_11_10_01); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b10_01_00_11);

            // Round 4.
            Vector256<uint> t4_3 = Avx512F.VL.PermuteVar8x32x2(t2_3, Vector256.Create(11u, 8, 9, 0, 15, 12, 13, 4), t1_0);
            Vector256<uint> t3_2 = Avx512F.VL.PermuteVar8x32x2(t1_3, Vector256.Create(11u, 8, 1, 2, 15, 12, 5, 6), t4_3);
            a = a + t3_0 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t3_1 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b10_01_00_11); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b00_11_10_01);
            a = a + t3_2 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t3_3 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b00_11_10_01); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b10_01_00_11);

            // Round 5.
            Vector256<uint> t4_1 = Avx512F.VL.PermuteVar8x32x2(t2_2, Vector256.Create(10u, 3, 9, 0, 14, 7, 13, 4), t2_0);
            a = a + t4_0 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t4_1 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b10_01_00_11); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b00_11_10_01);
            a = a + t4_2 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t4_3 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b00_11_10_01); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b10_01_00_11);

            // Round 6.
            Vector256<uint> t5_2 = Avx512F.VL.PermuteVar8x32x2(t4_3, Vector256.Create(0u, 11, 10, 1, 4, 15, 14, 5), t1_1);
            Vector256<uint> t5_3 = Avx512F.VL.PermuteVar8x32x2(t4_2, Vector256.Create(1u, 8, 9, 0, 5, 12, 13, 4), t2_0);
            a = a + t5_0 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t5_1 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b10_01_00_11); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b00_11_10_01);
            a = a + t5_2 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t5_3 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b00_11_10_01); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b10_01_00_11);

            // Round 7.
            Vector256<uint> t6_0 = Avx512F.VL.PermuteVar8x32x2(t3_2, Vector256.Create(2u, 3, 0, 8, 6, 7, 4, 12), t1_3);
            Vector256<uint> t6_1 = Avx512F.VL.PermuteVar8x32x2(t5_0, Vector256.Create(3u, 11, 0, 8, 7, 15, 4, 12), t4_2);
            Vector256<uint> t6_2 = Avx512F.VL.PermuteVar8x32x2(t5_3, Vector256.Create(0u, 11, 10, 1, 4, 15, 14, 5), t2_1);
            Vector256<uint> t6_3 = Avx512F.VL.PermuteVar8x32x2(t5_2, Vector256.Create(1u, 8, 9, 0, 5, 12, 13, 4), t3_0);
            a = a + t6_0 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t6_1 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b10_01_00_11); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b00_11_10_01);
            a = a + t6_2 + b; d = Avx512F.VL.RotateRight(d ^ a, 16); c += d; b = Avx512F.VL.RotateRight(b ^ c, 12);
            a = a + t6_3 + b; d = Avx512F.VL.RotateRight(d ^ a, 8); c += d; b = Avx512F.VL.RotateRight(b ^ c, 7);
            a = Avx2.Shuffle(a, 0b00_11_10_01); d = Avx2.Shuffle(d, 0b01_00_11_10); c = Avx2.Shuffle(c, 0b10_01_00_11);

            a ^= c;
            b ^= d;
        }

        Avx2.Permute2x128(a, b, 0x20).Store((uint*)output);
        Avx2.Permute2x128(a, b, 0x31).Store((uint*)output + 8);
    }
}
