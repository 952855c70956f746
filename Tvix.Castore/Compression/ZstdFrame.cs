using System.Buffers.Binary;

namespace Tvix.Castore.Compression;

/// <summary>The outside of zstd frames, which needs no library. Source: RFC 8878, section 3.1.1.</summary>
/// <remarks>
/// <code>
/// frame  = magic 28 b5 2f fd | descriptor u8 | window u8 unless single segment | dictionary id, 0, 1, 2 or 4 bytes | content size, 0, 1, 2, 4 or 8 bytes
///        | block … | checksum u32 if the descriptor says so
/// block  = u24: last (1 bit), type (2 bits: 0 raw, 1 one byte repeated, 2 compressed), size (21 bits) | size bytes, or 1 if repeated
/// </code>
/// Numbers are little-endian.
/// </remarks>
internal static class ZstdFrame
{
    /// <summary>The most bytes that a block may stand for.</summary>
    public const int MaxBlockLength = 128 << 10;

    /// <summary>The length of what stands before the contents of a frame with one raw block, as <see cref="WriteRawHead"/> writes it.</summary>
    public const int RawHeadLength = sizeof(uint) + 1 + sizeof(uint) + BlockHeadLength;

    private const uint Magic = 0xfd2fb528;
    private const int BlockHeadLength = 3;
    private const int RepeatedBlock = 1;
    private const int ReservedBlock = 3;

    /// <summary>Writes what stands before contents that are a frame by themselves, in one raw block.</summary>
    /// <param name="destination">Receives <see cref="RawHeadLength"/> bytes.</param>
    /// <param name="length">The length of the contents: 1 to <see cref="MaxBlockLength"/>.</param>
    public static void WriteRawHead(Span<byte> destination, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxBlockLength);
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Magic);
        destination[4] = 0b10_1_0_0_0_00; // a content size of 4 bytes, single segment, no checksum, no dictionary
        BinaryPrimitives.WriteInt32LittleEndian(destination[5..], length);
        int block = (length << 3) | 1; // the last one, raw
        destination[9] = (byte)block;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[10..], (ushort)(block >> 8));
    }

    /// <summary>Whether bytes are exactly one whole frame that declares the length of its contents, and needs no dictionary. The insides of blocks are not looked at.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="contentLength">The declared length, in bytes.</param>
    public static bool TryMeasure(ReadOnlySpan<byte> bytes, out ulong contentLength)
    {
        contentLength = 0;
        if (bytes.Length < sizeof(uint) + 1 || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic)
        {
            return false;
        }

        byte descriptor = bytes[4];
        bool singleSegment = (descriptor & 0b0010_0000) != 0;
        bool checksum = (descriptor & 0b0000_0100) != 0;
        bool plain = (descriptor & 0b0000_1011) == 0; // no reserved bit, no dictionary
        int sizeLength = (descriptor >> 6) switch { 0 => singleSegment ? 1 : 0, 1 => 2, 2 => 4, _ => 8 };
        int offset = sizeof(uint) + 1 + (singleSegment ? 0 : 1);
        if (!plain || sizeLength == 0 || bytes.Length < offset + sizeLength)
        {
            return false;
        }

        ReadOnlySpan<byte> size = bytes.Slice(offset, sizeLength);
        contentLength = sizeLength switch
        {
            1 => size[0],
            2 => BinaryPrimitives.ReadUInt16LittleEndian(size) + 256u,
            4 => BinaryPrimitives.ReadUInt32LittleEndian(size),
            _ => BinaryPrimitives.ReadUInt64LittleEndian(size),
        };
        bytes = bytes[(offset + sizeLength)..];
        while (bytes.Length >= BlockHeadLength)
        {
            int block = bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
            int type = (block >> 1) & 3;
            int stored = type == RepeatedBlock ? 1 : block >> 3;
            if (type == ReservedBlock || block >> 3 > MaxBlockLength || bytes.Length - BlockHeadLength < stored)
            {
                return false;
            }

            bytes = bytes[(BlockHeadLength + stored)..];
            if ((block & 1) != 0)
            {
                return bytes.Length == (checksum ? sizeof(uint) : 0);
            }
        }

        return false;
    }
}
