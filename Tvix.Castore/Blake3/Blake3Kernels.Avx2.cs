using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tvix.Castore.Blake3;

/// <content>8 lanes: AVX2.</content>
/// <remarks>The rounds are unrolled by a small script: for each round the eight quarter rounds in the order of the paper, with
/// the message words in the order that the permutation gives them by then. There are only 16 registers, so the message and the first
/// row of the state stay in memory, the other rows are separate locals, and two registers hold the byte shuffles that rotate.</remarks>
internal static unsafe partial class Blake3Kernels
{
    /// <summary>Compresses blocks of 8 messages side by side, see <see cref="CompressLanes"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    internal static void Compress8(uint* lanes, byte** inputs, nuint offset, nuint blocks, uint firstFlags)
    {
        Vector256<uint>* m = stackalloc Vector256<uint>[16];
        Vector256<uint>* a = stackalloc Vector256<uint>[4];
        Vector256<uint>* h = (Vector256<uint>*)lanes;
        Vector256<byte> rotate16 = Vector256.Create(
            Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13),
            Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
        Vector256<byte> rotate8 = Vector256.Create(
            Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12),
            Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12));
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
            for (int i = 0; i < 4; i++)
            {
                // 4 words: streams s and s + 4 to a register, then word j of all.
                Vector256<uint> r0 = LoadQuarters(p0 + (16 * i), p4 + (16 * i));
                Vector256<uint> r1 = LoadQuarters(p1 + (16 * i), p5 + (16 * i));
                Vector256<uint> r2 = LoadQuarters(p2 + (16 * i), p6 + (16 * i));
                Vector256<uint> r3 = LoadQuarters(p3 + (16 * i), p7 + (16 * i));
                Vector256<ulong> l0 = Avx2.UnpackLow(r0, r1).AsUInt64(), u0 = Avx2.UnpackHigh(r0, r1).AsUInt64();
                Vector256<ulong> l2 = Avx2.UnpackLow(r2, r3).AsUInt64(), u2 = Avx2.UnpackHigh(r2, r3).AsUInt64();
                m[4 * i] = Avx2.UnpackLow(l0, l2).AsUInt32();
                m[(4 * i) + 1] = Avx2.UnpackHigh(l0, l2).AsUInt32();
                m[(4 * i) + 2] = Avx2.UnpackLow(u0, u2).AsUInt32();
                m[(4 * i) + 3] = Avx2.UnpackHigh(u0, u2).AsUInt32();
            }

            a[0] = h[0];
            a[1] = h[1];
            a[2] = h[2];
            a[3] = h[3];
            Vector256<uint> v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
            Vector256<uint> v8 = Vector256.Create(0x6A09E667u), v9 = Vector256.Create(0xBB67AE85u);
            Vector256<uint> v10 = Vector256.Create(0x3C6EF372u), v11 = Vector256.Create(0xA54FF53Au);
            Vector256<uint> v12 = h[8], v13 = h[9], v14 = Vector256.Create((uint)BlockSize), v15 = Vector256.Create(flags), t;
            if (blocks == 1)
            {
                v14 = h[10];
                v15 |= h[11];
            }

            // Round 1: columns, then diagonals.
            t = a[0] + m[0] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[1] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[2] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[3] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[4] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[5] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[6] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[7] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[8] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[9] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[10] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[11] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[12] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[13] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[14] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[15] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 2: columns, then diagonals.
            t = a[0] + m[2] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[6] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[3] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[10] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[7] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[0] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[4] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[13] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[1] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[11] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[12] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[5] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[9] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[14] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[15] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[8] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 3: columns, then diagonals.
            t = a[0] + m[3] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[4] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[10] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[12] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[13] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[2] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[7] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[14] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[6] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[5] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[9] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[0] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[11] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[15] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[8] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[1] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 4: columns, then diagonals.
            t = a[0] + m[10] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[7] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[12] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[9] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[14] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[3] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[13] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[15] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[4] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[0] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[11] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[2] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[5] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[8] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[1] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[6] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 5: columns, then diagonals.
            t = a[0] + m[12] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[13] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[9] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[11] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[15] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[10] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[14] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[8] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[7] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[2] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[5] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[3] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[0] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[1] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[6] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[4] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 6: columns, then diagonals.
            t = a[0] + m[9] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[14] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[11] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[5] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[8] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[12] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[15] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[1] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[13] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[3] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[0] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[10] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[2] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[6] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[4] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[7] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 7: columns, then diagonals.
            t = a[0] + m[11] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[15] + v4; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[5] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[0] + v5; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[1] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[9] + v6; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[8] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[6] + v7; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[14] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[10] + v5; v15 = Avx2.Shuffle((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[2] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[12] + v6; v12 = Avx2.Shuffle((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[3] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[4] + v7; v13 = Avx2.Shuffle((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[7] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[13] + v4; v14 = Avx2.Shuffle((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            h[0] = a[0] ^ v8;
            h[1] = a[1] ^ v9;
            h[2] = a[2] ^ v10;
            h[3] = a[3] ^ v11;
            h[4] = v4 ^ v12;
            h[5] = v5 ^ v13;
            h[6] = v6 ^ v14;
            h[7] = v7 ^ v15;
        }
    }

    /// <summary>Writes the chaining values of 8 lanes as rows of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void StoreRows8(uint* lanes, byte* output)
    {
        Vector256<uint>* h = (Vector256<uint>*)lanes;
        Vector256<ulong> l0 = Avx2.UnpackLow(h[0], h[1]).AsUInt64(), l1 = Avx2.UnpackLow(h[2], h[3]).AsUInt64();
        Vector256<ulong> l2 = Avx2.UnpackLow(h[4], h[5]).AsUInt64(), l3 = Avx2.UnpackLow(h[6], h[7]).AsUInt64();
        Vector256<ulong> u0 = Avx2.UnpackHigh(h[0], h[1]).AsUInt64(), u1 = Avx2.UnpackHigh(h[2], h[3]).AsUInt64();
        Vector256<ulong> u2 = Avx2.UnpackHigh(h[4], h[5]).AsUInt64(), u3 = Avx2.UnpackHigh(h[6], h[7]).AsUInt64();
        StoreHalves(Avx2.UnpackLow(l0, l1), Avx2.UnpackLow(l2, l3), output);
        StoreHalves(Avx2.UnpackHigh(l0, l1), Avx2.UnpackHigh(l2, l3), output + ChainingValueSize);
        StoreHalves(Avx2.UnpackLow(u0, u1), Avx2.UnpackLow(u2, u3), output + (2 * ChainingValueSize));
        StoreHalves(Avx2.UnpackHigh(u0, u1), Avx2.UnpackHigh(u2, u3), output + (3 * ChainingValueSize));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> LoadQuarters(byte* lower, byte* upper) =>
        Avx2.InsertVector128(Vector128.Load((uint*)lower).ToVector256Unsafe(), Vector128.Load((uint*)upper), 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreHalves(Vector256<ulong> left, Vector256<ulong> right, byte* output)
    {
        Avx2.Permute2x128(left, right, 0x20).Store((ulong*)output);
        Avx2.Permute2x128(left, right, 0x31).Store((ulong*)(output + (4 * ChainingValueSize)));
    }
}
