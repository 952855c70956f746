using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tvix.Castore.Blake3;

/// <content>One message at a time: the four rows of the state in four registers, a round's four columns side by side.</content>
/// <remarks>For the diagonals the rows a, c and d are turned rather than b, d and c, for b is what the next step waits for longest. The
/// message words are kept in the order in which a round takes them: first words of the columns, second words, first words of the
/// diagonals, second words. The step from that order in one round to that in the next is one fixed permutation.</remarks>
internal static unsafe partial class Blake3Kernels
{
    /// <summary>The words of the block in that order, 16 for each of the seven rounds.</summary>
    private static ReadOnlySpan<byte> RowSchedule =>
    [
        0, 2, 4, 6, 1, 3, 5, 7, 14, 8, 10, 12, 15, 9, 11, 13,
        2, 3, 7, 4, 6, 10, 0, 13, 15, 1, 12, 9, 8, 11, 5, 14,
        3, 10, 13, 7, 4, 12, 2, 14, 8, 6, 9, 11, 1, 5, 0, 15,
        10, 12, 14, 13, 7, 9, 3, 15, 1, 4, 11, 5, 6, 0, 2, 8,
        12, 9, 15, 14, 13, 11, 10, 8, 6, 7, 5, 0, 4, 2, 3, 1,
        9, 11, 8, 15, 14, 5, 12, 1, 4, 13, 0, 2, 7, 3, 10, 6,
        11, 5, 1, 8, 15, 0, 9, 6, 7, 14, 2, 3, 13, 10, 12, 4,
    ];

    /// <summary>Compresses consecutive blocks of one message, with rotations and two-register permutations of AVX-512.</summary>
    /// <param name="cv">8 words, or null for the initial value.</param>
    /// <param name="input">The blocks.</param>
    /// <param name="blocks">How many, at least 1.</param>
    /// <param name="counter">The index of the chunk.</param>
    /// <param name="firstFlags">Flags of the first block.</param>
    /// <param name="lastLength">The length of the last block.</param>
    /// <param name="lastFlags">Flags of the last block.</param>
    /// <param name="output">Receives 8 words; may be <paramref name="cv"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void CompressRowsAvx512(
        uint* cv, byte* input, nuint blocks, ulong counter, uint firstFlags, uint lastLength, uint lastFlags, uint* output)
    {
        Vector128<uint> a = Vector128.Create(0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au);
        Vector128<uint> b = Vector128.Create(0x510E527Fu, 0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u);
        if (cv is not null)
        {
            a = Vector128.Load(cv);
            b = Vector128.Load(cv + 4);
        }

        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, input += BlockSize)
        {
            uint length = BlockSize;
            if (blocks == 1)
            {
                length = lastLength;
                flags |= lastFlags;
            }

            Vector128<float> m0 = Vector128.Load((float*)input), m4 = Vector128.Load((float*)input + 4);
            Vector128<float> m8 = Vector128.Load((float*)input + 8), m12 = Vector128.Load((float*)input + 12);
            Vector128<uint> t0 = Sse.Shuffle(m0, m4, 0b10_00_10_00).AsUInt32();
            Vector128<uint> t1 = Sse.Shuffle(m0, m4, 0b11_01_11_01).AsUInt32();
            Vector128<uint> t2 = Sse2.Shuffle(Sse.Shuffle(m8, m12, 0b10_00_10_00).AsUInt32(), 0b10_01_00_11);
            Vector128<uint> t3 = Sse2.Shuffle(Sse.Shuffle(m8, m12, 0b11_01_11_01).AsUInt32(), 0b10_01_00_11);
            Vector128<uint> c = Vector128.Create(0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au);
            Vector128<uint> d = Vector128.Create(counter, length | ((ulong)flags << 32)).AsUInt32();
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
                a = Sse2.Shuffle(a, 0b10_01_00_11);
                d = Sse2.Shuffle(d, 0b01_00_11_10);
                c = Sse2.Shuffle(c, 0b00_11_10_01);
                a = a + t2 + b;
                d = Avx512F.VL.RotateRight(d ^ a, 16);
                c += d;
                b = Avx512F.VL.RotateRight(b ^ c, 12);
                a = a + t3 + b;
                d = Avx512F.VL.RotateRight(d ^ a, 8);
                c += d;
                b = Avx512F.VL.RotateRight(b ^ c, 7);
                a = Sse2.Shuffle(a, 0b00_11_10_01);
                d = Sse2.Shuffle(d, 0b01_00_11_10);
                c = Sse2.Shuffle(c, 0b10_01_00_11);
                if (round == 6)
                {
                    break;
                }

                // With shuffles that take one cycle: those between two registers take three, and hold up the rows.
                Vector128<float> f0 = t0.AsSingle(), f1 = t1.AsSingle(), f2 = t2.AsSingle();
                Vector128<uint> low = Sse2.UnpackLow(t3, t1), high = Sse2.UnpackHigh(t3, t1);
                t0 = Sse2.Shuffle(Sse.Shuffle(f0, f1, 0b11_01_10_01).AsUInt32(), 0b01_11_10_00);
                t1 = Sse2.Shuffle(Sse.Shuffle(f0, Avx2.Blend(t2, t3, 0b1000).AsSingle(), 0b11_10_00_11).AsUInt32(), 0b11_01_10_00);
                t2 = Sse.Shuffle(low.AsSingle(), Avx2.Blend(t2, t3, 0b0010).AsSingle(), 0b01_11_01_00).AsUInt32();
                t3 = Sse2.Shuffle(Sse.Shuffle(f2, high.AsSingle(), 0b01_00_00_01).AsUInt32(), 0b01_11_10_00);
            }

            a ^= c;
            b ^= d;
        }

        a.Store(output);
        b.Store(output + 4);
    }

    /// <summary>As <see cref="CompressRowsAvx512"/>, with what AVX2 has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void CompressRowsAvx2(
        uint* cv, byte* input, nuint blocks, ulong counter, uint firstFlags, uint lastLength, uint lastFlags, uint* output)
    {
        Vector128<byte> rotate16 = Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        Vector128<byte> rotate8 = Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);

        Vector128<uint> a = Vector128.Create(0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au);
        Vector128<uint> b = Vector128.Create(0x510E527Fu, 0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u);
        if (cv is not null)
        {
            a = Vector128.Load(cv);
            b = Vector128.Load(cv + 4);
        }

        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, input += BlockSize)
        {
            uint length = BlockSize;
            if (blocks == 1)
            {
                length = lastLength;
                flags |= lastFlags;
            }

            Vector128<float> m0 = Vector128.Load((float*)input), m4 = Vector128.Load((float*)input + 4);
            Vector128<float> m8 = Vector128.Load((float*)input + 8), m12 = Vector128.Load((float*)input + 12);
            Vector128<uint> t0 = Sse.Shuffle(m0, m4, 0b10_00_10_00).AsUInt32();
            Vector128<uint> t1 = Sse.Shuffle(m0, m4, 0b11_01_11_01).AsUInt32();
            Vector128<uint> t2 = Sse2.Shuffle(Sse.Shuffle(m8, m12, 0b10_00_10_00).AsUInt32(), 0b10_01_00_11);
            Vector128<uint> t3 = Sse2.Shuffle(Sse.Shuffle(m8, m12, 0b11_01_11_01).AsUInt32(), 0b10_01_00_11);
            Vector128<uint> c = Vector128.Create(0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au);
            Vector128<uint> d = Vector128.Create(counter, length | ((ulong)flags << 32)).AsUInt32();
            for (int round = 0; ; round++)
            {
                a = a + t0 + b;
                d = Ssse3.Shuffle((d ^ a).AsByte(), rotate16).AsUInt32();
                c += d;
                b ^= c;
                b = (b >>> 12) | (b << 20);
                a = a + t1 + b;
                d = Ssse3.Shuffle((d ^ a).AsByte(), rotate8).AsUInt32();
                c += d;
                b ^= c;
                b = (b >>> 7) | (b << 25);
                a = Sse2.Shuffle(a, 0b10_01_00_11);
                d = Sse2.Shuffle(d, 0b01_00_11_10);
                c = Sse2.Shuffle(c, 0b00_11_10_01);
                a = a + t2 + b;
                d = Ssse3.Shuffle((d ^ a).AsByte(), rotate16).AsUInt32();
                c += d;
                b ^= c;
                b = (b >>> 12) | (b << 20);
                a = a + t3 + b;
                d = Ssse3.Shuffle((d ^ a).AsByte(), rotate8).AsUInt32();
                c += d;
                b ^= c;
                b = (b >>> 7) | (b << 25);
                a = Sse2.Shuffle(a, 0b00_11_10_01);
                d = Sse2.Shuffle(d, 0b01_00_11_10);
                c = Sse2.Shuffle(c, 0b10_01_00_11);
                if (round == 6)
                {
                    break;
                }

                // With shuffles that take one cycle: those between two registers take three, and hold up the rows.
                Vector128<float> f0 = t0.AsSingle(), f1 = t1.AsSingle(), f2 = t2.AsSingle();
                Vector128<uint> low = Sse2.UnpackLow(t3, t1), high = Sse2.UnpackHigh(t3, t1);
                t0 = Sse2.Shuffle(Sse.Shuffle(f0, f1, 0b11_01_10_01).AsUInt32(), 0b01_11_10_00);
                t1 = Sse2.Shuffle(Sse.Shuffle(f0, Avx2.Blend(t2, t3, 0b1000).AsSingle(), 0b11_10_00_11).AsUInt32(), 0b11_01_10_00);
                t2 = Sse.Shuffle(low.AsSingle(), Avx2.Blend(t2, t3, 0b0010).AsSingle(), 0b01_11_01_00).AsUInt32();
                t3 = Sse2.Shuffle(Sse.Shuffle(f2, high.AsSingle(), 0b01_00_00_01).AsUInt32(), 0b01_11_10_00);
            }

            a ^= c;
            b ^= d;
        }

        a.Store(output);
        b.Store(output + 4);
    }

    /// <summary>As <see cref="CompressRowsAvx512"/>, for any CPU with vectors of 128 bits and a byte shuffle.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void CompressRowsVector128(
        uint* cv, byte* input, nuint blocks, ulong counter, uint firstFlags, uint lastLength, uint lastFlags, uint* output)
    {
        Vector128<byte> rotate16 = Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        Vector128<byte> rotate8 = Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
        Vector128<uint> a = Vector128.Create(0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au);
        Vector128<uint> b = Vector128.Create(0x510E527Fu, 0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u);
        if (cv is not null)
        {
            a = Vector128.Load(cv);
            b = Vector128.Load(cv + 4);
        }

        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, input += BlockSize)
        {
            uint length = BlockSize;
            if (blocks == 1)
            {
                length = lastLength;
                flags |= lastFlags;
            }

            uint* m = (uint*)input;
            Vector128<uint> c = Vector128.Create(0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au);
            Vector128<uint> d = Vector128.Create(counter, length | ((ulong)flags << 32)).AsUInt32();
            for (int round = 0; round < 7; round++)
            {
                fixed (byte* s = &RowSchedule[16 * round])
                {
                    a = a + Vector128.Create(m[s[0]], m[s[1]], m[s[2]], m[s[3]]) + b;
                    d = ShuffleBytes((d ^ a).AsByte(), rotate16).AsUInt32();
                    c += d;
                    b ^= c;
                    b = (b >>> 12) | (b << 20);
                    a = a + Vector128.Create(m[s[4]], m[s[5]], m[s[6]], m[s[7]]) + b;
                    d = ShuffleBytes((d ^ a).AsByte(), rotate8).AsUInt32();
                    c += d;
                    b ^= c;
                    b = (b >>> 7) | (b << 25);
                    a = Vector128.Shuffle(a, Vector128.Create(3u, 0, 1, 2));
                    d = Vector128.Shuffle(d, Vector128.Create(2u, 3, 0, 1));
                    c = Vector128.Shuffle(c, Vector128.Create(1u, 2, 3, 0));
                    a = a + Vector128.Create(m[s[8]], m[s[9]], m[s[10]], m[s[11]]) + b;
                    d = ShuffleBytes((d ^ a).AsByte(), rotate16).AsUInt32();
                    c += d;
                    b ^= c;
                    b = (b >>> 12) | (b << 20);
                    a = a + Vector128.Create(m[s[12]], m[s[13]], m[s[14]], m[s[15]]) + b;
                    d = ShuffleBytes((d ^ a).AsByte(), rotate8).AsUInt32();
                    c += d;
                    b ^= c;
                    b = (b >>> 7) | (b << 25);
                    a = Vector128.Shuffle(a, Vector128.Create(1u, 2, 3, 0));
                    d = Vector128.Shuffle(d, Vector128.Create(2u, 3, 0, 1));
                    c = Vector128.Shuffle(c, Vector128.Create(3u, 0, 1, 2));
                }
            }

            a ^= c;
            b ^= d;
        }

        a.Store(output);
        b.Store(output + 4);
    }

    /// <summary>As <see cref="HashRows2Avx512"/>, with what AVX2 has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void HashRows2Avx2(
        byte* input, nuint stride, nuint blocks, ulong counter, ulong counterStep, uint firstFlags, uint lastFlags, byte* output)
    {
        Vector256<byte> rotate16 = Vector256.Create(
            (byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        Vector256<byte> rotate8 = Vector256.Create(
            (byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
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
            Vector256<uint> t0 = Avx.Shuffle(m0, m4, 0b10_00_10_00).AsUInt32();
            Vector256<uint> t1 = Avx.Shuffle(m0, m4, 0b11_01_11_01).AsUInt32();
            Vector256<uint> t2 = Avx2.Shuffle(Avx.Shuffle(m8, m12, 0b10_00_10_00).AsUInt32(), 0b10_01_00_11);
            Vector256<uint> t3 = Avx2.Shuffle(Avx.Shuffle(m8, m12, 0b11_01_11_01).AsUInt32(), 0b10_01_00_11);
            Vector256<uint> c = Vector256.Create(0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
            Vector256<uint> d = Avx2.UnpackLow(counters, Vector256.Create(BlockSize | ((ulong)flags << 32))).AsUInt32();
            for (int round = 0; ; round++)
            {
                a = a + t0 + b;
                d = Avx2.Shuffle((d ^ a).AsByte(), rotate16).AsUInt32();
                c += d;
                b ^= c;
                b = (b >>> 12) | (b << 20);
                a = a + t1 + b;
                d = Avx2.Shuffle((d ^ a).AsByte(), rotate8).AsUInt32();
                c += d;
                b ^= c;
                b = (b >>> 7) | (b << 25);
                a = Avx2.Shuffle(a, 0b10_01_00_11);
                d = Avx2.Shuffle(d, 0b01_00_11_10);
                c = Avx2.Shuffle(c, 0b00_11_10_01);
                a = a + t2 + b;
                d = Avx2.Shuffle((d ^ a).AsByte(), rotate16).AsUInt32();
                c += d;
                b ^= c;
                b = (b >>> 12) | (b << 20);
                a = a + t3 + b;
                d = Avx2.Shuffle((d ^ a).AsByte(), rotate8).AsUInt32();
                c += d;
                b ^= c;
                b = (b >>> 7) | (b << 25);
                a = Avx2.Shuffle(a, 0b00_11_10_01);
                d = Avx2.Shuffle(d, 0b01_00_11_10);
                c = Avx2.Shuffle(c, 0b10_01_00_11);
                if (round == 6)
                {
                    break;
                }

                // In the order of the words as numbered in the first round.
                Vector256<float> t0f = t0.AsSingle(), t2f = t2.AsSingle();
                Vector256<uint> n0 = Avx2.Shuffle(Avx.Shuffle(t0f, t1.AsSingle(), 0b11_01_10_01).AsUInt32(), 0b01_11_10_00);
                Vector256<uint> n1 = Avx2.Shuffle(
                    Avx.Shuffle(t0f, Avx2.Blend(t2, t3, 0b1000_1000).AsSingle(), 0b11_10_00_11).AsUInt32(), 0b11_01_10_00);
                Vector256<uint> n2 = Avx.Shuffle(
                    Avx2.UnpackLow(t3, t1).AsSingle(), Avx2.Blend(t2, t3, 0b0010_0010).AsSingle(), 0b01_11_01_00).AsUInt32();
                t3 = Avx2.Shuffle(Avx.Shuffle(t2f, Avx2.UnpackHigh(t3, t1).AsSingle(), 0b01_00_00_01).AsUInt32(), 0b01_11_10_00);
                t0 = n0;
                t1 = n1;
                t2 = n2;
            }

            a ^= c;
            b ^= d;
        }

        Avx2.Permute2x128(a, b, 0x20).Store((uint*)output);
        Avx2.Permute2x128(a, b, 0x31).Store((uint*)output + 8);
    }
}
