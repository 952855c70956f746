using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tvix.Castore.References;

/// <summary>Finds strings that are 32 characters of Nix's base32, as the hash parts of store paths are.</summary>
/// <remarks>
/// Most contents have no 32 such characters in a row. So whole blocks of 32 bytes are classified at once, and only where the valid bytes at
/// the end of one block and at the start of the next are 32 together is anything looked up. Every step is independent of the number of
/// strings.
/// </remarks>
internal sealed class HashSearcher : ReferenceSearcher
{
    private const int Length = 32;

    private readonly byte[] _strings;

    // Open addressing: index + 1 of a string, 0 for none.
    private readonly int[] _slots;
    private readonly int _shift;

    // One bit per value of the hash, some sixteen for every string: in long runs of valid characters it keeps most windows from the slower
    // table.
    private readonly uint[] _filter;
    private readonly int _filterShift;

    public HashSearcher(List<byte[]> strings)
    {
        int bits = BitOperations.Log2(BitOperations.RoundUpToPowerOf2(Math.Max(8, (uint)strings.Count) * 4));
        _shift = 64 - bits;
        _slots = new int[1 << bits];
        _filter = new uint[1 << (bits - 3)];
        _filterShift = _shift - 2;
        _strings = new byte[strings.Count * Length];
        for (int i = 0; i < strings.Count; i++)
        {
            strings[i].CopyTo(_strings, i * Length);
            ulong hash = Hash(strings[i]);
            _filter[hash >> _filterShift >> 5] |= 1u << (int)(hash >> _filterShift);
            int slot = (int)(hash >> _shift);
            while (_slots[slot] != 0)
            {
                slot = (slot + 1) & (_slots.Length - 1);
            }

            _slots[slot] = i + 1;
        }
    }

    /// <summary>Whether a string is of the kind that this searcher finds.</summary>
    public static bool Accepts(byte[] candidate) =>
        candidate.Length == Length && candidate.AsSpan().IndexOfAnyExcept("0123456789abcdfghijklmnpqrsvwxyz"u8) < 0;

    public override Progress Start() => new Seam(this);

    public override void Scan(ReadOnlySpan<byte> buffer, bool[] found)
    {
        // How many of the bytes directly before the place are valid; 31 stands for more, since windows that end earlier were looked at.
        int run = 0;
        int at = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            ref byte start = ref MemoryMarshal.GetReference(buffer);
            for (; at <= buffer.Length - Length; at += Length)
            {
                uint valid = Classify(Vector256.LoadUnsafe(ref start, (nuint)at));
                int head = BitOperations.TrailingZeroCount(~valid);
                for (int window = at - run; window <= at + head - Length; window++)
                {
                    LookUp(buffer.Slice(window, Length), found);
                }

                run = Math.Min(BitOperations.LeadingZeroCount(~valid), Length - 1);
            }
        }

        for (; at < buffer.Length; at++)
        {
            run = IsValid(buffer[at]) ? run + 1 : 0;
            if (run >= Length)
            {
                LookUp(buffer.Slice(at - Length + 1, Length), found);
            }
        }
    }

    /// <summary>One bit per byte, set where it is a character of the alphabet: digits, and lower-case letters without e, o, t, u.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Classify(Vector256<byte> bytes)
    {
        Vector256<byte> digits = Vector256.LessThanOrEqual(bytes - Vector256.Create((byte)'0'), Vector256.Create((byte)9));
        Vector256<byte> letters = Vector256.LessThanOrEqual(bytes - Vector256.Create((byte)'a'), Vector256.Create((byte)25));
        Vector256<byte> missing =
            Vector256.Equals(bytes, Vector256.Create((byte)'e')) | Vector256.Equals(bytes, Vector256.Create((byte)'o'))
            | Vector256.Equals(bytes, Vector256.Create((byte)'t')) | Vector256.Equals(bytes, Vector256.Create((byte)'u'));
        return Vector256.AndNot(digits | letters, missing).ExtractMostSignificantBits();
    }

    private static bool IsValid(byte b) =>
        (uint)(b - '0') <= 9 || ((uint)(b - 'a') <= 25 && b is not ((byte)'e' or (byte)'o' or (byte)'t' or (byte)'u'));

    private static ulong Hash(ReadOnlySpan<byte> window) => BinaryPrimitives.ReadUInt64LittleEndian(window) * 0x9e3779b97f4a7c15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void LookUp(ReadOnlySpan<byte> window, bool[] found)
    {
        ulong hash = Hash(window);
        if ((_filter[hash >> _filterShift >> 5] >> (int)(hash >> _filterShift) & 1) != 0)
        {
            LookUp(window, hash, found);
        }
    }

    private void LookUp(ReadOnlySpan<byte> window, ulong hash, bool[] found)
    {
        int slot = (int)(hash >> _shift);
        while (_slots[slot] is > 0 and int index)
        {
            if (window.SequenceEqual(_strings.AsSpan((index - 1) * Length, Length)))
            {
                Volatile.Write(ref found[index - 1], true);
                return;
            }

            slot = (slot + 1) & (_slots.Length - 1);
        }
    }

    /// <summary>Keeps the last 31 bytes, and looks at the border with the next piece on its own.</summary>
    private sealed class Seam(HashSearcher searcher) : Progress
    {
        private const int Overlap = Length - 1;

        private readonly byte[] _bytes = new byte[2 * Overlap];
        private int _count;

        public override void Append(ReadOnlySpan<byte> piece, bool[] found)
        {
            if (_count > 0)
            {
                int taken = Math.Min(piece.Length, Overlap);
                piece[..taken].CopyTo(_bytes.AsSpan(_count));
                searcher.Scan(_bytes.AsSpan(0, _count + taken), found);
            }

            searcher.Scan(piece, found);
            if (piece.Length >= Overlap)
            {
                piece[^Overlap..].CopyTo(_bytes);
                _count = Overlap;
            }
            else
            {
                int kept = Math.Min(_count, Overlap - piece.Length);
                _bytes.AsSpan(_count - kept, kept).CopyTo(_bytes);
                piece.CopyTo(_bytes.AsSpan(kept));
                _count = kept + piece.Length;
            }
        }

        public override void Reset() => _count = 0;
    }
}
