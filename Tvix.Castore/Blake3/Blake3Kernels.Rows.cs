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

    /// <summary>As <see cref="HashRows4Avx512"/>, in pairs with what AVX2 has: while a step of one pair waits, the other has its turn.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void HashRows4Avx2(
        byte* input, nuint stride, int count, nuint blocks, ulong counter, ulong counterStep, uint firstFlags, uint lastFlags, byte* output)
    {
        Vector256<byte> rotate16 = Vector256.Create(
            (byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        Vector256<byte> rotate8 = Vector256.Create(
            (byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
        Vector256<uint> start = Vector256.Create(0x6A09E667u, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A);
        Vector256<uint> xa = start, ya = start;
        Vector256<uint> xb = Vector256.Create(0x510E527Fu, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19);
        Vector256<uint> yb = xb;
        Vector256<ulong> counters = Vector256.Create(counter, 0, counter + counterStep, 0);
        byte* input2 = input + (2 * stride);
        byte* input3 = input + (count == 4 ? 3 * stride : 0);
        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, input += BlockSize, input2 += BlockSize, input3 += BlockSize)
        {
            flags |= blocks == 1 ? lastFlags : 0;
            LoadWords(input, input + stride, out Vector256<uint> x0, out Vector256<uint> x1, out Vector256<uint> x2, out Vector256<uint> x3);
            LoadWords(input2, input3, out Vector256<uint> y0, out Vector256<uint> y1, out Vector256<uint> y2, out Vector256<uint> y3);
            Vector256<uint> xc = start, yc = start;
            Vector256<ulong> tail = Vector256.Create(BlockSize | ((ulong)flags << 32));
            Vector256<uint> xd = Avx2.UnpackLow(counters, tail).AsUInt32();
            Vector256<uint> yd = Avx2.UnpackLow(counters + Vector256.Create(2 * counterStep), tail).AsUInt32();
            for (int round = 0; ; round++)
            {
                xa = xa + x0 + xb;
                ya = ya + y0 + yb;
                xd = Avx2.Shuffle((xd ^ xa).AsByte(), rotate16).AsUInt32();
                yd = Avx2.Shuffle((yd ^ ya).AsByte(), rotate16).AsUInt32();
                xc += xd;
                xb ^= xc;
                yc += yd;
                yb ^= yc;
                xb = (xb >>> 12) | (xb << 20);
                yb = (yb >>> 12) | (yb << 20);
                xa = xa + x1 + xb;
                ya = ya + y1 + yb;
                xd = Avx2.Shuffle((xd ^ xa).AsByte(), rotate8).AsUInt32();
                yd = Avx2.Shuffle((yd ^ ya).AsByte(), rotate8).AsUInt32();
                xc += xd;
                xb ^= xc;
                yc += yd;
                yb ^= yc;
                xb = (xb >>> 7) | (xb << 25);
                yb = (yb >>> 7) | (yb << 25);
                xa = Avx2.Shuffle(xa, 0b10_01_00_11);
                xd = Avx2.Shuffle(xd, 0b01_00_11_10);
                xc = Avx2.Shuffle(xc, 0b00_11_10_01);
                ya = Avx2.Shuffle(ya, 0b10_01_00_11);
                yd = Avx2.Shuffle(yd, 0b01_00_11_10);
                yc = Avx2.Shuffle(yc, 0b00_11_10_01);
                xa = xa + x2 + xb;
                ya = ya + y2 + yb;
                xd = Avx2.Shuffle((xd ^ xa).AsByte(), rotate16).AsUInt32();
                yd = Avx2.Shuffle((yd ^ ya).AsByte(), rotate16).AsUInt32();
                xc += xd;
                xb ^= xc;
                yc += yd;
                yb ^= yc;
                xb = (xb >>> 12) | (xb << 20);
                yb = (yb >>> 12) | (yb << 20);
                xa = xa + x3 + xb;
                ya = ya + y3 + yb;
                xd = Avx2.Shuffle((xd ^ xa).AsByte(), rotate8).AsUInt32();
                yd = Avx2.Shuffle((yd ^ ya).AsByte(), rotate8).AsUInt32();
                xc += xd;
                xb ^= xc;
                yc += yd;
                yb ^= yc;
                xb = (xb >>> 7) | (xb << 25);
                yb = (yb >>> 7) | (yb << 25);
                xa = Avx2.Shuffle(xa, 0b00_11_10_01);
                xd = Avx2.Shuffle(xd, 0b01_00_11_10);
                xc = Avx2.Shuffle(xc, 0b10_01_00_11);
                ya = Avx2.Shuffle(ya, 0b00_11_10_01);
                yd = Avx2.Shuffle(yd, 0b01_00_11_10);
                yc = Avx2.Shuffle(yc, 0b10_01_00_11);
                if (round == 6)
                {
                    break;
                }

                NextWords(ref x0, ref x1, ref x2, ref x3);
                NextWords(ref y0, ref y1, ref y2, ref y3);
            }

            xa ^= xc;
            xb ^= xd;
            ya ^= yc;
            yb ^= yd;
        }

        Avx2.Permute2x128(xa, xb, 0x20).Store((uint*)output);
        Avx2.Permute2x128(xa, xb, 0x31).Store((uint*)output + 8);
        Avx2.Permute2x128(ya, yb, 0x20).Store((uint*)output + 16);
        if (count == 4)
        {
            Avx2.Permute2x128(ya, yb, 0x31).Store((uint*)output + 24);
        }
    }

    /// <summary>The words of two blocks, one to each half, in the order of the first round.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LoadWords(
        byte* lower, byte* upper, out Vector256<uint> t0, out Vector256<uint> t1, out Vector256<uint> t2, out Vector256<uint> t3)
    {
        Vector256<float> m0 = LoadQuarters(lower, upper).AsSingle(), m4 = LoadQuarters(lower + 16, upper + 16).AsSingle();
        Vector256<float> m8 = LoadQuarters(lower + 32, upper + 32).AsSingle(), m12 = LoadQuarters(lower + 48, upper + 48).AsSingle();
        t0 = Avx.Shuffle(m0, m4, 0b10_00_10_00).AsUInt32();
        t1 = Avx.Shuffle(m0, m4, 0b11_01_11_01).AsUInt32();
        t2 = Avx2.Shuffle(Avx.Shuffle(m8, m12, 0b10_00_10_00).AsUInt32(), 0b10_01_00_11);
        t3 = Avx2.Shuffle(Avx.Shuffle(m8, m12, 0b11_01_11_01).AsUInt32(), 0b10_01_00_11);
    }

    /// <summary>From the order of a round to that of the next, with shuffles that take one cycle.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void NextWords(ref Vector256<uint> t0, ref Vector256<uint> t1, ref Vector256<uint> t2, ref Vector256<uint> t3)
    {
        Vector256<float> f0 = t0.AsSingle(), f1 = t1.AsSingle(), f2 = t2.AsSingle();
        Vector256<uint> low = Avx2.UnpackLow(t3, t1), high = Avx2.UnpackHigh(t3, t1);
        t0 = Avx2.Shuffle(Avx.Shuffle(f0, f1, 0b11_01_10_01).AsUInt32(), 0b01_11_10_00);
        t1 = Avx2.Shuffle(Avx.Shuffle(f0, Avx2.Blend(t2, t3, 0b1000_1000).AsSingle(), 0b11_10_00_11).AsUInt32(), 0b11_01_10_00);
        t2 = Avx.Shuffle(low.AsSingle(), Avx2.Blend(t2, t3, 0b0010_0010).AsSingle(), 0b01_11_01_00).AsUInt32();
        t3 = Avx2.Shuffle(Avx.Shuffle(f2, high.AsSingle(), 0b01_00_00_01).AsUInt32(), 0b01_11_10_00);
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
            LoadWords(input, input + stride, out Vector256<uint> t0, out Vector256<uint> t1, out Vector256<uint> t2, out Vector256<uint> t3);
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

                NextWords(ref t0, ref t1, ref t2, ref t3);
            }

            a ^= c;
            b ^= d;
        }

        Avx2.Permute2x128(a, b, 0x20).Store((uint*)output);
        Avx2.Permute2x128(a, b, 0x31).Store((uint*)output + 8);
    }
}
