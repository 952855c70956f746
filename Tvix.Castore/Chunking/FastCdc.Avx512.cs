using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tvix.Castore.Chunking;

/// <summary>The search with AVX-512: sixteen stretches of a block side by side.</summary>
/// <remarks>
/// A lane holds the low half of a hash, which depends on the last 32 bytes only. Where it has none of the low bits of the mask, the whole hash is computed; that
/// must be rare, hence <see cref="MinFilterBits"/>. Table entries come out of registers, in four planes of one byte each: gathers are slow on many processors.
/// </remarks>
public static partial class FastCdc
{
    private const int Lanes = 16;
    private const int LaneLength = 512;
    private const int BlockLength = Lanes * LaneLength;
    private const int LaneWindow = 32; // bytes that the low half of a hash depends on
    private const int MinFilterBits = 9;

    /// <summary>Byte k of all table entries, for k from 0 to 3.</summary>
    private static readonly byte[] s_planes = MakePlanes();

    private static bool CanFilter(ulong mask) => Avx512Vbmi.IsSupported && BitOperations.PopCount((uint)mask) >= MinFilterBits;

    private static byte[] MakePlanes()
    {
        byte[] planes = new byte[4 * 256];
        for (int i = 0; i < planes.Length; i++)
        {
            planes[i] = (byte)(GearTable.Gear[i % 256] >> (i / 256 * 8));
        }

        return planes;
    }

    /// <summary>The first match in a block; -1 when there is none.</summary>
    /// <param name="data">The data, which goes back to where hashing began.</param>
    /// <param name="start">The block's start, at least <see cref="LaneWindow"/> bytes in.</param>
    /// <param name="mask">The mask.</param>
    [SkipLocalsInit]
    private static int FindInBlock(ReadOnlySpan<byte> data, int start, ulong mask)
    {
        // Where the four bytes of each lane go, so that unpacking planes leaves the first of all lanes in one register, the second in the next...
        Vector128<byte> order = Vector128.Create((byte)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        Vector256<byte> twice = Vector256.Create(order, order);
        Vector512<byte> byPlace = Vector512.Create(twice, twice);
        Vector512<uint> filter = Vector512.Create((uint)mask);
        Vector512<uint> hash = default;
        ref byte planes = ref MemoryMarshal.GetArrayDataReference(s_planes);
        ref byte lanes = ref MemoryMarshal.GetReference(data.Slice(start - LaneWindow, BlockLength + LaneWindow));
        Span<Vector512<uint>> rows = stackalloc Vector512<uint>[LaneWindow / sizeof(uint)];
        int first = int.MaxValue;
        for (int offset = -LaneWindow; offset < LaneLength; offset += LaneWindow)
        {
            Transpose(ref Unsafe.Add(ref lanes, offset + LaneWindow), rows);
            for (int row = 0; row < rows.Length; row++)
            {
                (Vector512<uint> g0, Vector512<uint> g1, Vector512<uint> g2, Vector512<uint> g3) =
                    LookUp(Avx512BW.Shuffle(rows[row].AsByte(), byPlace), ref planes);
                Vector512<uint> h0 = hash + hash + g0;
                Vector512<uint> h1 = h0 + h0 + g1;
                Vector512<uint> h2 = h1 + h1 + g2;
                hash = h2 + h2 + g3;
                Vector512<uint> least = Vector512.Min(Vector512.Min(h0 & filter, h1 & filter), Vector512.Min(h2 & filter, hash & filter));
                if (Vector512.EqualsAny(least, default) && offset >= 0)
                {
                    int position = offset + (row * sizeof(uint));
                    first = Math.Min(first, Confirm(data, start, position, h0 & filter, mask, first));
                    first = Math.Min(first, Confirm(data, start, position + 1, h1 & filter, mask, first));
                    first = Math.Min(first, Confirm(data, start, position + 2, h2 & filter, mask, first));
                    first = Math.Min(first, Confirm(data, start, position + 3, hash & filter, mask, first));
                }
            }
        }

        return first == int.MaxValue ? -1 : first;
    }

    /// <summary>The first lane's place whose whole hash matches, and which comes before what was found so far.</summary>
    private static int Confirm(ReadOnlySpan<byte> data, int start, int position, Vector512<uint> filtered, ulong mask, int before)
    {
        for (uint lanes = (uint)Vector512.Equals(filtered, default).ExtractMostSignificantBits(); lanes != 0; lanes &= lanes - 1)
        {
            int candidate = (BitOperations.TrailingZeroCount(lanes) * LaneLength) + position;
            if (candidate >= before)
            {
                break;
            }

            if ((HashBefore(data, start + candidate + 1) & mask) == 0)
            {
                return candidate;
            }
        }

        return before;
    }

    /// <summary>The low halves of the table entries of four bytes of each lane, which are ordered by place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<uint> G0, Vector512<uint> G1, Vector512<uint> G2, Vector512<uint> G3) LookUp(Vector512<byte> bytes, ref byte planes)
    {
        Vector512<byte> upper = Vector512.LessThan(bytes.AsSByte(), default).AsByte();
        Vector512<byte> plane0 = LookUp(bytes, upper, ref planes);
        Vector512<byte> plane1 = LookUp(bytes, upper, ref Unsafe.Add(ref planes, 256));
        Vector512<byte> plane2 = LookUp(bytes, upper, ref Unsafe.Add(ref planes, 512));
        Vector512<byte> plane3 = LookUp(bytes, upper, ref Unsafe.Add(ref planes, 768));
        Vector512<ushort> low01 = Avx512BW.UnpackLow(plane0, plane1).AsUInt16();
        Vector512<ushort> high01 = Avx512BW.UnpackHigh(plane0, plane1).AsUInt16();
        Vector512<ushort> low23 = Avx512BW.UnpackLow(plane2, plane3).AsUInt16();
        Vector512<ushort> high23 = Avx512BW.UnpackHigh(plane2, plane3).AsUInt16();
        return (
            Avx512BW.UnpackLow(low01, low23).AsUInt32(), Avx512BW.UnpackHigh(low01, low23).AsUInt32(),
            Avx512BW.UnpackLow(high01, high23).AsUInt32(), Avx512BW.UnpackHigh(high01, high23).AsUInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> LookUp(Vector512<byte> bytes, Vector512<byte> upper, ref byte plane) => Vector512.ConditionalSelect(
        upper,
        Avx512Vbmi.PermuteVar64x8x2(Vector512.LoadUnsafe(ref plane, 128), bytes, Vector512.LoadUnsafe(ref plane, 192)),
        Avx512Vbmi.PermuteVar64x8x2(Vector512.LoadUnsafe(ref plane), bytes, Vector512.LoadUnsafe(ref plane, 64)));

    /// <summary>Row i becomes the bytes 4i to 4i + 3 of all lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(ref byte lanes, Span<Vector512<uint>> rows)
    {
        for (int i = 0; i + 4 <= rows.Length; i += 4)
        {
            ref byte column = ref Unsafe.Add(ref lanes, i * sizeof(uint));
            Vector512<uint> a = EveryFourth(ref column);
            Vector512<uint> b = EveryFourth(ref Unsafe.Add(ref column, LaneLength));
            Vector512<uint> c = EveryFourth(ref Unsafe.Add(ref column, 2 * LaneLength));
            Vector512<uint> d = EveryFourth(ref Unsafe.Add(ref column, 3 * LaneLength));
            Vector512<ulong> lowAb = Avx512F.UnpackLow(a, b).AsUInt64();
            Vector512<ulong> highAb = Avx512F.UnpackHigh(a, b).AsUInt64();
            Vector512<ulong> lowCd = Avx512F.UnpackLow(c, d).AsUInt64();
            Vector512<ulong> highCd = Avx512F.UnpackHigh(c, d).AsUInt64();
            rows[i] = Avx512F.UnpackLow(lowAb, lowCd).AsUInt32();
            rows[i + 1] = Avx512F.UnpackHigh(lowAb, lowCd).AsUInt32();
            rows[i + 2] = Avx512F.UnpackLow(highAb, highCd).AsUInt32();
            rows[i + 3] = Avx512F.UnpackHigh(highAb, highCd).AsUInt32();
        }
    }

    /// <summary>16 bytes of the lanes 0, 4, 8 and 12 from here.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> EveryFourth(ref byte lane) => Vector512.Create(
        Vector256.Create(Vector128.LoadUnsafe(ref lane), Vector128.LoadUnsafe(ref lane, 4 * LaneLength)),
        Vector256.Create(Vector128.LoadUnsafe(ref lane, 8 * LaneLength), Vector128.LoadUnsafe(ref lane, 12 * LaneLength))).AsUInt32();
}
