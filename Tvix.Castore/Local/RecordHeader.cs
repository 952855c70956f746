using System.Buffers.Binary;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>The head of a record in a pack file. Records follow each other without gaps; a pack file is nothing but records.</summary>
/// <remarks>
/// <code>
/// record  = magic "TvR1" | kind u8 | codec u8 | flags u8 | zero u8 | stored length u32 | zero u32
///         | logical length u64 | time u64 | key (32 bytes) | check u64 | payload (stored length bytes)
/// </code>
/// Numbers are little-endian, 72 bytes in all. The key of a chunk, blob or directory is its digest; that of a named value up to 32 bytes, filled up with zeros.
/// The only flag (1) marks a record of an upload that was not complete when it was written: it counts when it is in the index, and is not entered there by a
/// recovery. The time is in 100 ns since 0001-01-01 (UTC); among the records of a named value the latest counts. The check is the first eight bytes of BLAKE3 over the 64 bytes
/// before it, followed by the payload where the payload has no digest of its own (blob lists and named values).
/// </remarks>
internal readonly record struct RecordHeader(
    RecordKind Kind, RecordCodec Codec, int StoredLength, long LogicalLength, long Time, B3Digest Key, bool IsProvisional = false)
{
    public const int Size = 72;
    private const int CheckOffset = 64;
    private const byte ProvisionalFlag = 1;
    private const uint Magic = 0x31527654; // "TvR1"

    /// <summary>The first bytes of every record.</summary>
    public static ReadOnlySpan<byte> MagicBytes => "TvR1"u8;

    /// <summary>Chunks are bounded by the largest chunk size; lists by what one record may hold.</summary>
    public const int MaxStoredLength = 1 << 30;

    /// <summary>The length of the record with its payload.</summary>
    public long TotalLength => Size + (long)StoredLength;

    public void Write(Span<byte> destination, ReadOnlySpan<byte> payload)
    {
        destination[..Size].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Magic);
        destination[4] = (byte)Kind;
        destination[5] = (byte)Codec;
        destination[6] = IsProvisional ? ProvisionalFlag : (byte)0;
        BinaryPrimitives.WriteInt32LittleEndian(destination[8..], StoredLength);
        BinaryPrimitives.WriteInt64LittleEndian(destination[16..], LogicalLength);
        BinaryPrimitives.WriteInt64LittleEndian(destination[24..], Time);
        Key.CopyTo(destination[32..]);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[CheckOffset..], Check(destination[..CheckOffset], Kind, payload));
    }

    /// <summary>Reads the fixed part; <see langword="false"/> when it is no record head. The check still has to be made, with the payload.</summary>
    public static bool TryRead(ReadOnlySpan<byte> head, out RecordHeader header)
    {
        header = default;
        if (head.Length < Size || BinaryPrimitives.ReadUInt32LittleEndian(head) != Magic)
        {
            return false;
        }

        header = new RecordHeader(
            (RecordKind)head[4],
            (RecordCodec)head[5],
            BinaryPrimitives.ReadInt32LittleEndian(head[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(head[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(head[24..]),
            new B3Digest(head.Slice(32, B3Digest.Size)),
            (head[6] & ProvisionalFlag) != 0);
        return header.Kind is >= RecordKind.Chunk and <= RecordKind.Named
            && header.Codec is RecordCodec.Raw or RecordCodec.Zstd
            && header.StoredLength is >= 0 and <= MaxStoredLength
            && header.LogicalLength >= 0;
    }

    /// <summary>Whether the check of a head, and of the payload where it covers that, is right.</summary>
    public bool IsIntact(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload) =>
        BinaryPrimitives.ReadUInt64LittleEndian(head[CheckOffset..]) == Check(head[..CheckOffset], Kind, payload);

    /// <summary>Whether the check covers the payload as well, because that has no digest of its own.</summary>
    public static bool CoversPayload(RecordKind kind) => kind is RecordKind.Blob or RecordKind.Named;

    private static ulong Check(ReadOnlySpan<byte> head, RecordKind kind, ReadOnlySpan<byte> payload)
    {
        Span<byte> digest = stackalloc byte[B3Digest.Size];
        if (CoversPayload(kind))
        {
            Blake3Hasher hasher = new();
            hasher.AppendData(head);
            hasher.AppendData(payload);
            hasher.GetCurrentDigest().CopyTo(digest);
        }
        else
        {
            Blake3Hasher.HashData(head).CopyTo(digest);
        }

        return BinaryPrimitives.ReadUInt64LittleEndian(digest);
    }
}
