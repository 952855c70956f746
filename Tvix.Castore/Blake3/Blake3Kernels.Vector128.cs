using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Tvix.Castore.Blake3;

/// <content>4 lanes: any CPU with vectors of 128 bits and a byte shuffle (SSSE3, AdvSimd).</content>
/// <remarks>The rounds are unrolled by a small script: for each round the eight quarter rounds in the order of the paper, with
/// the message words in the order that the permutation gives them by then. There are only 16 registers, so the message and the first
/// row of the state stay in memory, the other rows are separate locals, and two registers hold the byte shuffles that rotate.</remarks>
internal static unsafe partial class Blake3Kernels
{
    /// <summary>Compresses blocks of 4 messages side by side, see <see cref="CompressLanes"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    internal static void Compress4(uint* lanes, byte** inputs, nuint offset, nuint blocks, uint firstFlags)
    {
        Vector128<uint>* m = stackalloc Vector128<uint>[16];
        Vector128<uint>* a = stackalloc Vector128<uint>[4];
        Vector128<uint>* h = (Vector128<uint>*)lanes;
        Vector128<byte> rotate16 = Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        Vector128<byte> rotate8 = Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
        for (uint flags = firstFlags; blocks > 0; blocks--, flags = 0, offset += BlockSize)
        {
            uint* p0 = (uint*)(inputs[0] + offset), p1 = (uint*)(inputs[1] + offset);
            uint* p2 = (uint*)(inputs[2] + offset), p3 = (uint*)(inputs[3] + offset);
            for (int i = 0; i < 16; i += 4)
            {
                Vector128<uint> r0 = Vector128.Load(p0 + i), r1 = Vector128.Load(p1 + i);
                Vector128<uint> r2 = Vector128.Load(p2 + i), r3 = Vector128.Load(p3 + i);
                Vector128<uint> l0 = ZipLow(r0, r2), l1 = ZipLow(r1, r3), u0 = ZipHigh(r0, r2), u1 = ZipHigh(r1, r3);
                m[i] = ZipLow(l0, l1);
                m[i + 1] = ZipHigh(l0, l1);
                m[i + 2] = ZipLow(u0, u1);
                m[i + 3] = ZipHigh(u0, u1);
            }

            a[0] = h[0];
            a[1] = h[1];
            a[2] = h[2];
            a[3] = h[3];
            Vector128<uint> v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
            Vector128<uint> v8 = Vector128.Create(0x6A09E667u), v9 = Vector128.Create(0xBB67AE85u);
            Vector128<uint> v10 = Vector128.Create(0x3C6EF372u), v11 = Vector128.Create(0xA54FF53Au);
            Vector128<uint> v12 = h[8], v13 = h[9], v14 = Vector128.Create((uint)BlockSize), v15 = Vector128.Create(flags), t;
            if (blocks == 1)
            {
                v14 = h[10];
                v15 |= h[11];
            }

            // Round 1: columns, then diagonals.
            t = a[0] + m[0] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[1] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[2] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[3] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[4] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[5] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[6] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[7] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[8] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[9] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[10] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[11] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[12] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[13] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[14] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[15] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 2: columns, then diagonals.
            t = a[0] + m[2] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[6] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[3] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[10] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[7] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[0] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[4] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[13] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[1] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[11] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[12] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[5] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[9] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[14] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[15] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[8] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 3: columns, then diagonals.
            t = a[0] + m[3] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[4] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[10] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[12] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[13] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[2] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[7] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[14] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[6] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[5] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[9] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[0] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[11] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[15] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[8] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[1] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 4: columns, then diagonals.
            t = a[0] + m[10] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[7] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[12] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[9] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[14] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[3] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[13] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[15] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[4] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[0] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[11] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[2] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[5] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[8] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[1] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[6] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 5: columns, then diagonals.
            t = a[0] + m[12] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[13] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[9] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[11] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[15] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[10] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[14] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[8] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[7] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[2] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[5] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[3] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[0] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[1] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[6] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[4] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 6: columns, then diagonals.
            t = a[0] + m[9] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[14] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[11] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[5] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[8] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[12] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[15] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[1] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[13] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[3] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[0] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[10] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[2] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[6] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[4] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[7] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25); a[3] = t;

            // Round 7: columns, then diagonals.
            t = a[0] + m[11] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[15] + v4; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v12; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25); a[0] = t;
            t = a[1] + m[5] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[0] + v5; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v9 += v13; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25); a[1] = t;
            t = a[2] + m[1] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[9] + v6; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v14; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25); a[2] = t;
            t = a[3] + m[8] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[6] + v7; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v15; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25); a[3] = t;
            t = a[0] + m[14] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate16).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20);
            t = t + m[10] + v5; v15 = ShuffleBytes((v15 ^ t).AsByte(), rotate8).AsUInt32();
            v10 += v15; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25); a[0] = t;
            t = a[1] + m[2] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate16).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20);
            t = t + m[12] + v6; v12 = ShuffleBytes((v12 ^ t).AsByte(), rotate8).AsUInt32();
            v11 += v12; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25); a[1] = t;
            t = a[2] + m[3] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate16).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
            t = t + m[4] + v7; v13 = ShuffleBytes((v13 ^ t).AsByte(), rotate8).AsUInt32();
            v8 += v13; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25); a[2] = t;
            t = a[3] + m[7] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate16).AsUInt32();
            v9 += v14; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
            t = t + m[13] + v4; v14 = ShuffleBytes((v14 ^ t).AsByte(), rotate8).AsUInt32();
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

    /// <summary>Writes the chaining values of 4 lanes as rows of 32 bytes.</summary>
    internal static void StoreRows4(uint* lanes, byte* output)
    {
        for (int lane = 0; lane < 4; lane++, output += ChainingValueSize)
        {
            Vector128.Create(lanes[lane], lanes[4 + lane], lanes[8 + lane], lanes[12 + lane]).Store((uint*)output);
            Vector128.Create(lanes[16 + lane], lanes[20 + lane], lanes[24 + lane], lanes[28 + lane]).Store((uint*)output + 4);
        }
    }

    /// <summary>Bytes of <paramref name="value"/> in the order of <paramref name="order"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> ShuffleBytes(Vector128<byte> value, Vector128<byte> order) =>
        AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.VectorTableLookup(value, order) : Ssse3.Shuffle(value, order);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> ZipLow(Vector128<uint> even, Vector128<uint> odd) =>
        AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(even, odd) : Sse2.UnpackLow(even, odd);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> ZipHigh(Vector128<uint> even, Vector128<uint> odd) =>
        AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(even, odd) : Sse2.UnpackHigh(even, odd);
}
