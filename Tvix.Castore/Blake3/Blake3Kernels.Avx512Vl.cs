using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tvix.Castore.Blake3;

/// <content>8 lanes on a CPU with AVX-512: 32 registers and rotations, and half the time of 16 lanes.</content>
/// <remarks>The rounds are unrolled by a small script: for each half of a round its four quarter rounds step by step side by side, so
/// that none of them ends later than the others, with the message words in the order that the permutation gives them by then. State and
/// message are separate locals so that the JIT keeps them in registers.</remarks>
internal static unsafe partial class Blake3Kernels
{
    /// <summary>Compresses blocks of 8 messages side by side, see <see cref="CompressLanes"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    internal static void Compress8Vl(uint* lanes, byte** inputs, nuint offset, nuint blocks, uint firstFlags)
    {
        Vector256<uint> h0 = Vector256.Load(lanes);
        Vector256<uint> h1 = Vector256.Load(lanes + 8);
        Vector256<uint> h2 = Vector256.Load(lanes + 16);
        Vector256<uint> h3 = Vector256.Load(lanes + 24);
        Vector256<uint> h4 = Vector256.Load(lanes + 32);
        Vector256<uint> h5 = Vector256.Load(lanes + 40);
        Vector256<uint> h6 = Vector256.Load(lanes + 48);
        Vector256<uint> h7 = Vector256.Load(lanes + 56);
        nuint nextGroup = blocks == ChunkSize / BlockSize ? 7 * ChunkSize : 0u;
        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, offset += BlockSize)
        {
            // Near the end of a chunk, what follows is most likely the next group of chunks.
            nuint ahead = PrefetchDistance + (blocks <= PrefetchDistance / BlockSize ? nextGroup : 0);
            byte* p0 = inputs[0] + offset, p1 = inputs[1] + offset;
            byte* p2 = inputs[2] + offset, p3 = inputs[3] + offset;
            byte* p4 = inputs[4] + offset, p5 = inputs[5] + offset;
            byte* p6 = inputs[6] + offset, p7 = inputs[7] + offset;
            Sse.Prefetch0(p0 + ahead); Sse.Prefetch0(p1 + ahead);
            Sse.Prefetch0(p2 + ahead); Sse.Prefetch0(p3 + ahead);
            Sse.Prefetch0(p4 + ahead); Sse.Prefetch0(p5 + ahead);
            Sse.Prefetch0(p6 + ahead); Sse.Prefetch0(p7 + ahead);

            // Words 0 to 3: streams i and i + 4 to a register, then word j of all.
            Vector256<uint> xr0 = LoadQuarters(p0, p4);
            Vector256<uint> xr1 = LoadQuarters(p1, p5);
            Vector256<uint> xr2 = LoadQuarters(p2, p6);
            Vector256<uint> xr3 = LoadQuarters(p3, p7);
            Vector256<ulong> xl0 = Avx2.UnpackLow(xr0, xr1).AsUInt64(), xu0 = Avx2.UnpackHigh(xr0, xr1).AsUInt64();
            Vector256<ulong> xl2 = Avx2.UnpackLow(xr2, xr3).AsUInt64(), xu2 = Avx2.UnpackHigh(xr2, xr3).AsUInt64();
            Vector256<uint> m0 = Avx2.UnpackLow(xl0, xl2).AsUInt32(), m1 = Avx2.UnpackHigh(xl0, xl2).AsUInt32();
            Vector256<uint> m2 = Avx2.UnpackLow(xu0, xu2).AsUInt32(), m3 = Avx2.UnpackHigh(xu0, xu2).AsUInt32();

            // Words 4 to 7: streams i and i + 4 to a register, then word j of all.
            Vector256<uint> yr0 = LoadQuarters(p0 + 16, p4 + 16);
            Vector256<uint> yr1 = LoadQuarters(p1 + 16, p5 + 16);
            Vector256<uint> yr2 = LoadQuarters(p2 + 16, p6 + 16);
            Vector256<uint> yr3 = LoadQuarters(p3 + 16, p7 + 16);
            Vector256<ulong> yl0 = Avx2.UnpackLow(yr0, yr1).AsUInt64(), yu0 = Avx2.UnpackHigh(yr0, yr1).AsUInt64();
            Vector256<ulong> yl2 = Avx2.UnpackLow(yr2, yr3).AsUInt64(), yu2 = Avx2.UnpackHigh(yr2, yr3).AsUInt64();
            Vector256<uint> m4 = Avx2.UnpackLow(yl0, yl2).AsUInt32(), m5 = Avx2.UnpackHigh(yl0, yl2).AsUInt32();
            Vector256<uint> m6 = Avx2.UnpackLow(yu0, yu2).AsUInt32(), m7 = Avx2.UnpackHigh(yu0, yu2).AsUInt32();

            // Words 8 to 11: streams i and i + 4 to a register, then word j of all.
            Vector256<uint> zr0 = LoadQuarters(p0 + 32, p4 + 32);
            Vector256<uint> zr1 = LoadQuarters(p1 + 32, p5 + 32);
            Vector256<uint> zr2 = LoadQuarters(p2 + 32, p6 + 32);
            Vector256<uint> zr3 = LoadQuarters(p3 + 32, p7 + 32);
            Vector256<ulong> zl0 = Avx2.UnpackLow(zr0, zr1).AsUInt64(), zu0 = Avx2.UnpackHigh(zr0, zr1).AsUInt64();
            Vector256<ulong> zl2 = Avx2.UnpackLow(zr2, zr3).AsUInt64(), zu2 = Avx2.UnpackHigh(zr2, zr3).AsUInt64();
            Vector256<uint> m8 = Avx2.UnpackLow(zl0, zl2).AsUInt32(), m9 = Avx2.UnpackHigh(zl0, zl2).AsUInt32();
            Vector256<uint> m10 = Avx2.UnpackLow(zu0, zu2).AsUInt32(), m11 = Avx2.UnpackHigh(zu0, zu2).AsUInt32();

            // Words 12 to 15: streams i and i + 4 to a register, then word j of all.
            Vector256<uint> wr0 = LoadQuarters(p0 + 48, p4 + 48);
            Vector256<uint> wr1 = LoadQuarters(p1 + 48, p5 + 48);
            Vector256<uint> wr2 = LoadQuarters(p2 + 48, p6 + 48);
            Vector256<uint> wr3 = LoadQuarters(p3 + 48, p7 + 48);
            Vector256<ulong> wl0 = Avx2.UnpackLow(wr0, wr1).AsUInt64(), wu0 = Avx2.UnpackHigh(wr0, wr1).AsUInt64();
            Vector256<ulong> wl2 = Avx2.UnpackLow(wr2, wr3).AsUInt64(), wu2 = Avx2.UnpackHigh(wr2, wr3).AsUInt64();
            Vector256<uint> m12 = Avx2.UnpackLow(wl0, wl2).AsUInt32(), m13 = Avx2.UnpackHigh(wl0, wl2).AsUInt32();
            Vector256<uint> m14 = Avx2.UnpackLow(wu0, wu2).AsUInt32(), m15 = Avx2.UnpackHigh(wu0, wu2).AsUInt32();

            Vector256<uint> v0 = h0, v1 = h1, v2 = h2, v3 = h3, v4 = h4, v5 = h5, v6 = h6, v7 = h7;
            Vector256<uint> v8 = Vector256.Create(0x6A09E667u), v9 = Vector256.Create(0xBB67AE85u);
            Vector256<uint> v10 = Vector256.Create(0x3C6EF372u), v11 = Vector256.Create(0xA54FF53Au);
            Vector256<uint> v12 = Vector256.Load(lanes + 64), v13 = Vector256.Load(lanes + 72);
            Vector256<uint> v14 = Vector256.Create((uint)BlockSize), v15 = Vector256.Create(flags);
            if (blocks == 1)
            {
                v14 = Vector256.Load(lanes + 80);
                v15 |= Vector256.Load(lanes + 88);
            }

            // Round 1: columns, then diagonals.
            v0 += m0; v1 += m2; v2 += m4; v3 += m6;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 16); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 16); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 12); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 12); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 12);
            v0 += m1; v1 += m3; v2 += m5; v3 += m7;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 8); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 8); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 7); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 7); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 7);
            v0 += m8; v1 += m10; v2 += m12; v3 += m14;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 16); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 16); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 12); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 12); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 12);
            v0 += m9; v1 += m11; v2 += m13; v3 += m15;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 8); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 8); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 7); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 7); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 7);

            // Round 2: columns, then diagonals.
            v0 += m2; v1 += m3; v2 += m7; v3 += m4;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 16); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 16); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 12); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 12); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 12);
            v0 += m6; v1 += m10; v2 += m0; v3 += m13;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 8); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 8); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 7); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 7); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 7);
            v0 += m1; v1 += m12; v2 += m9; v3 += m15;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 16); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 16); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 12); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 12); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 12);
            v0 += m11; v1 += m5; v2 += m14; v3 += m8;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 8); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 8); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 7); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 7); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 7);

            // Round 3: columns, then diagonals.
            v0 += m3; v1 += m10; v2 += m13; v3 += m7;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 16); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 16); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 12); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 12); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 12);
            v0 += m4; v1 += m12; v2 += m2; v3 += m14;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 8); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 8); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 7); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 7); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 7);
            v0 += m6; v1 += m9; v2 += m11; v3 += m8;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 16); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 16); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 12); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 12); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 12);
            v0 += m5; v1 += m0; v2 += m15; v3 += m1;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 8); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 8); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 7); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 7); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 7);

            // Round 4: columns, then diagonals.
            v0 += m10; v1 += m12; v2 += m14; v3 += m13;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 16); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 16); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 12); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 12); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 12);
            v0 += m7; v1 += m9; v2 += m3; v3 += m15;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 8); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 8); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 7); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 7); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 7);
            v0 += m4; v1 += m11; v2 += m5; v3 += m1;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 16); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 16); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 12); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 12); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 12);
            v0 += m0; v1 += m2; v2 += m8; v3 += m6;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 8); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 8); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 7); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 7); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 7);

            // Round 5: columns, then diagonals.
            v0 += m12; v1 += m9; v2 += m15; v3 += m14;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 16); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 16); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 12); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 12); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 12);
            v0 += m13; v1 += m11; v2 += m10; v3 += m8;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 8); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 8); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 7); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 7); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 7);
            v0 += m7; v1 += m5; v2 += m0; v3 += m6;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 16); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 16); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 12); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 12); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 12);
            v0 += m2; v1 += m3; v2 += m1; v3 += m4;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 8); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 8); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 7); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 7); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 7);

            // Round 6: columns, then diagonals.
            v0 += m9; v1 += m11; v2 += m8; v3 += m15;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 16); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 16); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 12); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 12); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 12);
            v0 += m14; v1 += m5; v2 += m12; v3 += m1;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 8); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 8); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 7); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 7); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 7);
            v0 += m13; v1 += m0; v2 += m2; v3 += m4;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 16); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 16); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 12); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 12); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 12);
            v0 += m3; v1 += m10; v2 += m6; v3 += m7;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 8); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 8); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 7); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 7); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 7);

            // Round 7: columns, then diagonals.
            v0 += m11; v1 += m5; v2 += m1; v3 += m8;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 16); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 16); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 12); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 12); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 12);
            v0 += m15; v1 += m0; v2 += m9; v3 += m6;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.VL.RotateRight(v12 ^ v0, 8); v13 = Avx512F.VL.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.VL.RotateRight(v14 ^ v2, 8); v15 = Avx512F.VL.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.VL.RotateRight(v4 ^ v8, 7); v5 = Avx512F.VL.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.VL.RotateRight(v6 ^ v10, 7); v7 = Avx512F.VL.RotateRight(v7 ^ v11, 7);
            v0 += m14; v1 += m2; v2 += m3; v3 += m7;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 16); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 16); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 12); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 12); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 12);
            v0 += m10; v1 += m12; v2 += m4; v3 += m13;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.VL.RotateRight(v15 ^ v0, 8); v12 = Avx512F.VL.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.VL.RotateRight(v13 ^ v2, 8); v14 = Avx512F.VL.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.VL.RotateRight(v5 ^ v10, 7); v6 = Avx512F.VL.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.VL.RotateRight(v7 ^ v8, 7); v4 = Avx512F.VL.RotateRight(v4 ^ v9, 7);

            h0 = v0 ^ v8;
            h1 = v1 ^ v9;
            h2 = v2 ^ v10;
            h3 = v3 ^ v11;
            h4 = v4 ^ v12;
            h5 = v5 ^ v13;
            h6 = v6 ^ v14;
            h7 = v7 ^ v15;
        }

        h0.Store(lanes);
        h1.Store(lanes + 8);
        h2.Store(lanes + 16);
        h3.Store(lanes + 24);
        h4.Store(lanes + 32);
        h5.Store(lanes + 40);
        h6.Store(lanes + 48);
        h7.Store(lanes + 56);
    }

}
