using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tvix.Castore.Blake3;

/// <content>16 lanes: AVX-512.</content>
/// <remarks>The rounds are unrolled by a small script: for each half of a round its four quarter rounds step by step side by side, so
/// that none of them ends later than the others, with the message words in the order that the permutation gives them by then. State and
/// message are separate locals so that the JIT keeps them in registers.</remarks>
internal static unsafe partial class Blake3Kernels
{
    /// <summary>Compresses blocks of 16 messages side by side, see <see cref="CompressLanes"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    internal static void Compress16(uint* lanes, byte** inputs, nuint offset, nuint blocks, uint firstFlags)
    {
        Vector512<uint> h0 = Vector512.Load(lanes);
        Vector512<uint> h1 = Vector512.Load(lanes + 16);
        Vector512<uint> h2 = Vector512.Load(lanes + 32);
        Vector512<uint> h3 = Vector512.Load(lanes + 48);
        Vector512<uint> h4 = Vector512.Load(lanes + 64);
        Vector512<uint> h5 = Vector512.Load(lanes + 80);
        Vector512<uint> h6 = Vector512.Load(lanes + 96);
        Vector512<uint> h7 = Vector512.Load(lanes + 112);
        nuint nextGroup = blocks == ChunkSize / BlockSize ? 15 * ChunkSize : 0u;
        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, offset += BlockSize)
        {
            // Near the end of a chunk, what follows is most likely the next group of chunks.
            nuint ahead = PrefetchDistance + (blocks <= PrefetchDistance / BlockSize ? nextGroup : 0);
            byte* p0 = inputs[0] + offset, p1 = inputs[1] + offset;
            byte* p2 = inputs[2] + offset, p3 = inputs[3] + offset;
            byte* p4 = inputs[4] + offset, p5 = inputs[5] + offset;
            byte* p6 = inputs[6] + offset, p7 = inputs[7] + offset;
            byte* p8 = inputs[8] + offset, p9 = inputs[9] + offset;
            byte* p10 = inputs[10] + offset, p11 = inputs[11] + offset;
            byte* p12 = inputs[12] + offset, p13 = inputs[13] + offset;
            byte* p14 = inputs[14] + offset, p15 = inputs[15] + offset;
            Sse.Prefetch0(p0 + ahead); Sse.Prefetch0(p1 + ahead);
            Sse.Prefetch0(p2 + ahead); Sse.Prefetch0(p3 + ahead);
            Sse.Prefetch0(p4 + ahead); Sse.Prefetch0(p5 + ahead);
            Sse.Prefetch0(p6 + ahead); Sse.Prefetch0(p7 + ahead);
            Sse.Prefetch0(p8 + ahead); Sse.Prefetch0(p9 + ahead);
            Sse.Prefetch0(p10 + ahead); Sse.Prefetch0(p11 + ahead);
            Sse.Prefetch0(p12 + ahead); Sse.Prefetch0(p13 + ahead);
            Sse.Prefetch0(p14 + ahead); Sse.Prefetch0(p15 + ahead);

            // Words 0 to 7: two streams to a register, then word j of four streams together, then of all.
            Vector512<uint> xr0 = LoadHalves(p0, p4);
            Vector512<uint> xr1 = LoadHalves(p1, p5);
            Vector512<uint> xr2 = LoadHalves(p2, p6);
            Vector512<uint> xr3 = LoadHalves(p3, p7);
            Vector512<uint> xr4 = LoadHalves(p8, p12);
            Vector512<uint> xr5 = LoadHalves(p9, p13);
            Vector512<uint> xr6 = LoadHalves(p10, p14);
            Vector512<uint> xr7 = LoadHalves(p11, p15);
            Vector512<ulong> xl0 = Avx512F.UnpackLow(xr0, xr1).AsUInt64(), xu0 = Avx512F.UnpackHigh(xr0, xr1).AsUInt64();
            Vector512<ulong> xl2 = Avx512F.UnpackLow(xr2, xr3).AsUInt64(), xu2 = Avx512F.UnpackHigh(xr2, xr3).AsUInt64();
            Vector512<ulong> xl4 = Avx512F.UnpackLow(xr4, xr5).AsUInt64(), xu4 = Avx512F.UnpackHigh(xr4, xr5).AsUInt64();
            Vector512<ulong> xl6 = Avx512F.UnpackLow(xr6, xr7).AsUInt64(), xu6 = Avx512F.UnpackHigh(xr6, xr7).AsUInt64();
            Vector512<ulong> xt0 = Avx512F.UnpackLow(xl0, xl2), xt1 = Avx512F.UnpackHigh(xl0, xl2);
            Vector512<ulong> xt2 = Avx512F.UnpackLow(xu0, xu2), xt3 = Avx512F.UnpackHigh(xu0, xu2);
            Vector512<ulong> xt4 = Avx512F.UnpackLow(xl4, xl6), xt5 = Avx512F.UnpackHigh(xl4, xl6);
            Vector512<ulong> xt6 = Avx512F.UnpackLow(xu4, xu6), xt7 = Avx512F.UnpackHigh(xu4, xu6);
            Vector512<uint> m0 = Avx512F.Shuffle4x128(xt0, xt4, 0x88).AsUInt32();
            Vector512<uint> m4 = Avx512F.Shuffle4x128(xt0, xt4, 0xDD).AsUInt32();
            Vector512<uint> m1 = Avx512F.Shuffle4x128(xt1, xt5, 0x88).AsUInt32();
            Vector512<uint> m5 = Avx512F.Shuffle4x128(xt1, xt5, 0xDD).AsUInt32();
            Vector512<uint> m2 = Avx512F.Shuffle4x128(xt2, xt6, 0x88).AsUInt32();
            Vector512<uint> m6 = Avx512F.Shuffle4x128(xt2, xt6, 0xDD).AsUInt32();
            Vector512<uint> m3 = Avx512F.Shuffle4x128(xt3, xt7, 0x88).AsUInt32();
            Vector512<uint> m7 = Avx512F.Shuffle4x128(xt3, xt7, 0xDD).AsUInt32();

            // Words 8 to 15: two streams to a register, then word j of four streams together, then of all.
            Vector512<uint> yr0 = LoadHalves(p0 + 32, p4 + 32);
            Vector512<uint> yr1 = LoadHalves(p1 + 32, p5 + 32);
            Vector512<uint> yr2 = LoadHalves(p2 + 32, p6 + 32);
            Vector512<uint> yr3 = LoadHalves(p3 + 32, p7 + 32);
            Vector512<uint> yr4 = LoadHalves(p8 + 32, p12 + 32);
            Vector512<uint> yr5 = LoadHalves(p9 + 32, p13 + 32);
            Vector512<uint> yr6 = LoadHalves(p10 + 32, p14 + 32);
            Vector512<uint> yr7 = LoadHalves(p11 + 32, p15 + 32);
            Vector512<ulong> yl0 = Avx512F.UnpackLow(yr0, yr1).AsUInt64(), yu0 = Avx512F.UnpackHigh(yr0, yr1).AsUInt64();
            Vector512<ulong> yl2 = Avx512F.UnpackLow(yr2, yr3).AsUInt64(), yu2 = Avx512F.UnpackHigh(yr2, yr3).AsUInt64();
            Vector512<ulong> yl4 = Avx512F.UnpackLow(yr4, yr5).AsUInt64(), yu4 = Avx512F.UnpackHigh(yr4, yr5).AsUInt64();
            Vector512<ulong> yl6 = Avx512F.UnpackLow(yr6, yr7).AsUInt64(), yu6 = Avx512F.UnpackHigh(yr6, yr7).AsUInt64();
            Vector512<ulong> yt0 = Avx512F.UnpackLow(yl0, yl2), yt1 = Avx512F.UnpackHigh(yl0, yl2);
            Vector512<ulong> yt2 = Avx512F.UnpackLow(yu0, yu2), yt3 = Avx512F.UnpackHigh(yu0, yu2);
            Vector512<ulong> yt4 = Avx512F.UnpackLow(yl4, yl6), yt5 = Avx512F.UnpackHigh(yl4, yl6);
            Vector512<ulong> yt6 = Avx512F.UnpackLow(yu4, yu6), yt7 = Avx512F.UnpackHigh(yu4, yu6);
            Vector512<uint> m8 = Avx512F.Shuffle4x128(yt0, yt4, 0x88).AsUInt32();
            Vector512<uint> m12 = Avx512F.Shuffle4x128(yt0, yt4, 0xDD).AsUInt32();
            Vector512<uint> m9 = Avx512F.Shuffle4x128(yt1, yt5, 0x88).AsUInt32();
            Vector512<uint> m13 = Avx512F.Shuffle4x128(yt1, yt5, 0xDD).AsUInt32();
            Vector512<uint> m10 = Avx512F.Shuffle4x128(yt2, yt6, 0x88).AsUInt32();
            Vector512<uint> m14 = Avx512F.Shuffle4x128(yt2, yt6, 0xDD).AsUInt32();
            Vector512<uint> m11 = Avx512F.Shuffle4x128(yt3, yt7, 0x88).AsUInt32();
            Vector512<uint> m15 = Avx512F.Shuffle4x128(yt3, yt7, 0xDD).AsUInt32();

            Vector512<uint> v0 = h0, v1 = h1, v2 = h2, v3 = h3, v4 = h4, v5 = h5, v6 = h6, v7 = h7;
            Vector512<uint> v8 = Vector512.Create(0x6A09E667u), v9 = Vector512.Create(0xBB67AE85u);
            Vector512<uint> v10 = Vector512.Create(0x3C6EF372u), v11 = Vector512.Create(0xA54FF53Au);
            Vector512<uint> v12 = Vector512.Load(lanes + 128), v13 = Vector512.Load(lanes + 144);
            Vector512<uint> v14 = Vector512.Create((uint)BlockSize), v15 = Vector512.Create(flags);
            if (blocks == 1)
            {
                v14 = Vector512.Load(lanes + 160);
                v15 |= Vector512.Load(lanes + 176);
            }

            // Round 1: columns, then diagonals.
            v0 += m0; v1 += m2; v2 += m4; v3 += m6;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 16); v13 = Avx512F.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.RotateRight(v14 ^ v2, 16); v15 = Avx512F.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 12); v5 = Avx512F.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.RotateRight(v6 ^ v10, 12); v7 = Avx512F.RotateRight(v7 ^ v11, 12);
            v0 += m1; v1 += m3; v2 += m5; v3 += m7;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 8); v13 = Avx512F.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.RotateRight(v14 ^ v2, 8); v15 = Avx512F.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 7); v5 = Avx512F.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.RotateRight(v6 ^ v10, 7); v7 = Avx512F.RotateRight(v7 ^ v11, 7);
            v0 += m8; v1 += m10; v2 += m12; v3 += m14;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 16); v12 = Avx512F.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.RotateRight(v13 ^ v2, 16); v14 = Avx512F.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 12); v6 = Avx512F.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.RotateRight(v7 ^ v8, 12); v4 = Avx512F.RotateRight(v4 ^ v9, 12);
            v0 += m9; v1 += m11; v2 += m13; v3 += m15;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 8); v12 = Avx512F.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.RotateRight(v13 ^ v2, 8); v14 = Avx512F.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 7); v6 = Avx512F.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.RotateRight(v7 ^ v8, 7); v4 = Avx512F.RotateRight(v4 ^ v9, 7);

            // Round 2: columns, then diagonals.
            v0 += m2; v1 += m3; v2 += m7; v3 += m4;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 16); v13 = Avx512F.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.RotateRight(v14 ^ v2, 16); v15 = Avx512F.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 12); v5 = Avx512F.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.RotateRight(v6 ^ v10, 12); v7 = Avx512F.RotateRight(v7 ^ v11, 12);
            v0 += m6; v1 += m10; v2 += m0; v3 += m13;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 8); v13 = Avx512F.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.RotateRight(v14 ^ v2, 8); v15 = Avx512F.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 7); v5 = Avx512F.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.RotateRight(v6 ^ v10, 7); v7 = Avx512F.RotateRight(v7 ^ v11, 7);
            v0 += m1; v1 += m12; v2 += m9; v3 += m15;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 16); v12 = Avx512F.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.RotateRight(v13 ^ v2, 16); v14 = Avx512F.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 12); v6 = Avx512F.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.RotateRight(v7 ^ v8, 12); v4 = Avx512F.RotateRight(v4 ^ v9, 12);
            v0 += m11; v1 += m5; v2 += m14; v3 += m8;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 8); v12 = Avx512F.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.RotateRight(v13 ^ v2, 8); v14 = Avx512F.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 7); v6 = Avx512F.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.RotateRight(v7 ^ v8, 7); v4 = Avx512F.RotateRight(v4 ^ v9, 7);

            // Round 3: columns, then diagonals.
            v0 += m3; v1 += m10; v2 += m13; v3 += m7;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 16); v13 = Avx512F.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.RotateRight(v14 ^ v2, 16); v15 = Avx512F.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 12); v5 = Avx512F.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.RotateRight(v6 ^ v10, 12); v7 = Avx512F.RotateRight(v7 ^ v11, 12);
            v0 += m4; v1 += m12; v2 += m2; v3 += m14;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 8); v13 = Avx512F.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.RotateRight(v14 ^ v2, 8); v15 = Avx512F.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 7); v5 = Avx512F.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.RotateRight(v6 ^ v10, 7); v7 = Avx512F.RotateRight(v7 ^ v11, 7);
            v0 += m6; v1 += m9; v2 += m11; v3 += m8;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 16); v12 = Avx512F.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.RotateRight(v13 ^ v2, 16); v14 = Avx512F.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 12); v6 = Avx512F.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.RotateRight(v7 ^ v8, 12); v4 = Avx512F.RotateRight(v4 ^ v9, 12);
            v0 += m5; v1 += m0; v2 += m15; v3 += m1;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 8); v12 = Avx512F.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.RotateRight(v13 ^ v2, 8); v14 = Avx512F.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 7); v6 = Avx512F.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.RotateRight(v7 ^ v8, 7); v4 = Avx512F.RotateRight(v4 ^ v9, 7);

            // Round 4: columns, then diagonals.
            v0 += m10; v1 += m12; v2 += m14; v3 += m13;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 16); v13 = Avx512F.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.RotateRight(v14 ^ v2, 16); v15 = Avx512F.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 12); v5 = Avx512F.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.RotateRight(v6 ^ v10, 12); v7 = Avx512F.RotateRight(v7 ^ v11, 12);
            v0 += m7; v1 += m9; v2 += m3; v3 += m15;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 8); v13 = Avx512F.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.RotateRight(v14 ^ v2, 8); v15 = Avx512F.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 7); v5 = Avx512F.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.RotateRight(v6 ^ v10, 7); v7 = Avx512F.RotateRight(v7 ^ v11, 7);
            v0 += m4; v1 += m11; v2 += m5; v3 += m1;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 16); v12 = Avx512F.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.RotateRight(v13 ^ v2, 16); v14 = Avx512F.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 12); v6 = Avx512F.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.RotateRight(v7 ^ v8, 12); v4 = Avx512F.RotateRight(v4 ^ v9, 12);
            v0 += m0; v1 += m2; v2 += m8; v3 += m6;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 8); v12 = Avx512F.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.RotateRight(v13 ^ v2, 8); v14 = Avx512F.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 7); v6 = Avx512F.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.RotateRight(v7 ^ v8, 7); v4 = Avx512F.RotateRight(v4 ^ v9, 7);

            // Round 5: columns, then diagonals.
            v0 += m12; v1 += m9; v2 += m15; v3 += m14;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 16); v13 = Avx512F.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.RotateRight(v14 ^ v2, 16); v15 = Avx512F.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 12); v5 = Avx512F.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.RotateRight(v6 ^ v10, 12); v7 = Avx512F.RotateRight(v7 ^ v11, 12);
            v0 += m13; v1 += m11; v2 += m10; v3 += m8;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 8); v13 = Avx512F.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.RotateRight(v14 ^ v2, 8); v15 = Avx512F.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 7); v5 = Avx512F.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.RotateRight(v6 ^ v10, 7); v7 = Avx512F.RotateRight(v7 ^ v11, 7);
            v0 += m7; v1 += m5; v2 += m0; v3 += m6;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 16); v12 = Avx512F.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.RotateRight(v13 ^ v2, 16); v14 = Avx512F.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 12); v6 = Avx512F.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.RotateRight(v7 ^ v8, 12); v4 = Avx512F.RotateRight(v4 ^ v9, 12);
            v0 += m2; v1 += m3; v2 += m1; v3 += m4;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 8); v12 = Avx512F.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.RotateRight(v13 ^ v2, 8); v14 = Avx512F.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 7); v6 = Avx512F.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.RotateRight(v7 ^ v8, 7); v4 = Avx512F.RotateRight(v4 ^ v9, 7);

            // Round 6: columns, then diagonals.
            v0 += m9; v1 += m11; v2 += m8; v3 += m15;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 16); v13 = Avx512F.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.RotateRight(v14 ^ v2, 16); v15 = Avx512F.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 12); v5 = Avx512F.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.RotateRight(v6 ^ v10, 12); v7 = Avx512F.RotateRight(v7 ^ v11, 12);
            v0 += m14; v1 += m5; v2 += m12; v3 += m1;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 8); v13 = Avx512F.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.RotateRight(v14 ^ v2, 8); v15 = Avx512F.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 7); v5 = Avx512F.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.RotateRight(v6 ^ v10, 7); v7 = Avx512F.RotateRight(v7 ^ v11, 7);
            v0 += m13; v1 += m0; v2 += m2; v3 += m4;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 16); v12 = Avx512F.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.RotateRight(v13 ^ v2, 16); v14 = Avx512F.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 12); v6 = Avx512F.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.RotateRight(v7 ^ v8, 12); v4 = Avx512F.RotateRight(v4 ^ v9, 12);
            v0 += m3; v1 += m10; v2 += m6; v3 += m7;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 8); v12 = Avx512F.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.RotateRight(v13 ^ v2, 8); v14 = Avx512F.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 7); v6 = Avx512F.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.RotateRight(v7 ^ v8, 7); v4 = Avx512F.RotateRight(v4 ^ v9, 7);

            // Round 7: columns, then diagonals.
            v0 += m11; v1 += m5; v2 += m1; v3 += m8;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 16); v13 = Avx512F.RotateRight(v13 ^ v1, 16);
            v14 = Avx512F.RotateRight(v14 ^ v2, 16); v15 = Avx512F.RotateRight(v15 ^ v3, 16);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 12); v5 = Avx512F.RotateRight(v5 ^ v9, 12);
            v6 = Avx512F.RotateRight(v6 ^ v10, 12); v7 = Avx512F.RotateRight(v7 ^ v11, 12);
            v0 += m15; v1 += m0; v2 += m9; v3 += m6;
            v0 += v4; v1 += v5; v2 += v6; v3 += v7;
            v12 = Avx512F.RotateRight(v12 ^ v0, 8); v13 = Avx512F.RotateRight(v13 ^ v1, 8);
            v14 = Avx512F.RotateRight(v14 ^ v2, 8); v15 = Avx512F.RotateRight(v15 ^ v3, 8);
            v8 += v12; v9 += v13; v10 += v14; v11 += v15;
            v4 = Avx512F.RotateRight(v4 ^ v8, 7); v5 = Avx512F.RotateRight(v5 ^ v9, 7);
            v6 = Avx512F.RotateRight(v6 ^ v10, 7); v7 = Avx512F.RotateRight(v7 ^ v11, 7);
            v0 += m14; v1 += m2; v2 += m3; v3 += m7;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 16); v12 = Avx512F.RotateRight(v12 ^ v1, 16);
            v13 = Avx512F.RotateRight(v13 ^ v2, 16); v14 = Avx512F.RotateRight(v14 ^ v3, 16);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 12); v6 = Avx512F.RotateRight(v6 ^ v11, 12);
            v7 = Avx512F.RotateRight(v7 ^ v8, 12); v4 = Avx512F.RotateRight(v4 ^ v9, 12);
            v0 += m10; v1 += m12; v2 += m4; v3 += m13;
            v0 += v5; v1 += v6; v2 += v7; v3 += v4;
            v15 = Avx512F.RotateRight(v15 ^ v0, 8); v12 = Avx512F.RotateRight(v12 ^ v1, 8);
            v13 = Avx512F.RotateRight(v13 ^ v2, 8); v14 = Avx512F.RotateRight(v14 ^ v3, 8);
            v10 += v15; v11 += v12; v8 += v13; v9 += v14;
            v5 = Avx512F.RotateRight(v5 ^ v10, 7); v6 = Avx512F.RotateRight(v6 ^ v11, 7);
            v7 = Avx512F.RotateRight(v7 ^ v8, 7); v4 = Avx512F.RotateRight(v4 ^ v9, 7);

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
        h1.Store(lanes + 16);
        h2.Store(lanes + 32);
        h3.Store(lanes + 48);
        h4.Store(lanes + 64);
        h5.Store(lanes + 80);
        h6.Store(lanes + 96);
        h7.Store(lanes + 112);
    }

    /// <summary>Writes the chaining values of 16 lanes as rows of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void StoreRows16(uint* lanes, byte* output)
    {
        for (int half = 0; half < 2; half++, lanes += 64, output += 16)
        {
            Vector512<uint> a = Vector512.Load(lanes), b = Vector512.Load(lanes + 16);
            Vector512<uint> c = Vector512.Load(lanes + 32), d = Vector512.Load(lanes + 48);
            Vector512<ulong> ab = Avx512F.UnpackLow(a, b).AsUInt64(), cd = Avx512F.UnpackLow(c, d).AsUInt64();
            Vector512<ulong> abHigh = Avx512F.UnpackHigh(a, b).AsUInt64(), cdHigh = Avx512F.UnpackHigh(c, d).AsUInt64();
            StoreQuarters(Avx512F.UnpackLow(ab, cd), output);
            StoreQuarters(Avx512F.UnpackHigh(ab, cd), output + ChainingValueSize);
            StoreQuarters(Avx512F.UnpackLow(abHigh, cdHigh), output + (2 * ChainingValueSize));
            StoreQuarters(Avx512F.UnpackHigh(abHigh, cdHigh), output + (3 * ChainingValueSize));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> LoadHalves(byte* lower, byte* upper) =>
        Avx512F.InsertVector256(Vector256.Load((uint*)lower).ToVector512Unsafe(), Vector256.Load((uint*)upper), 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuarters(Vector512<ulong> rows, byte* output)
    {
        rows.GetLower().GetLower().Store((ulong*)output);
        Avx512F.ExtractVector128(rows, 1).Store((ulong*)(output + (4 * ChainingValueSize)));
        Avx512F.ExtractVector128(rows, 2).Store((ulong*)(output + (8 * ChainingValueSize)));
        Avx512F.ExtractVector128(rows, 3).Store((ulong*)(output + (12 * ChainingValueSize)));
    }
}
