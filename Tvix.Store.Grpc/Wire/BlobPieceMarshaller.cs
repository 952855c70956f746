using System.Buffers;
using System.Numerics;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Wire;

/// <summary>The message <c>BlobChunk</c> as nothing but its bytes, which are not copied on the way in.</summary>
/// <remarks>
/// <code>
/// BlobChunk = [ 0x0a, length, data ]        unknown fields may come between; of several data fields the last one counts
/// </code>
/// </remarks>
internal sealed class BlobPieceMarshaller : GrpcMarshaller<ReadOnlySequence<byte>>
{
    private const int DataField = 1;
    private const int LongestHeader = 1 + 5;

    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Bytes = 2;
    private const int Fixed32 = 5;

    public static BlobPieceMarshaller Instance { get; } = new();

    public override int GetSize(ReadOnlySequence<byte> message) =>
        message.IsEmpty ? 0 : checked(1 + ((BitOperations.Log2((uint)message.Length) / 7) + 1) + (int)message.Length);

    public override void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> destination)
    {
        if (message.IsEmpty)
        {
            return;
        }

        Span<byte> header = destination.GetSpan(LongestHeader);
        int written = 0;
        header[written++] = (DataField << 3) | Bytes;
        uint rest = (uint)message.Length;
        for (; rest >= 0x80; rest >>= 7)
        {
            header[written++] = (byte)(rest | 0x80);
        }

        header[written++] = (byte)rest;
        destination.Advance(written);
        foreach (ReadOnlyMemory<byte> segment in message)
        {
            destination.Write(segment.Span);
        }
    }

    public override ReadOnlySequence<byte> Read(in ReadOnlySequence<byte> bytes)
    {
        ReadOnlySequence<byte> data = ReadOnlySequence<byte>.Empty;
        SequenceReader<byte> reader = new(bytes);
        while (!reader.End)
        {
            if (!TryReadVarint(ref reader, out ulong tag) || tag >> 3 == 0 || tag >> 32 != 0)
            {
                throw Malformed();
            }

            bool ok = (int)(tag & 7) switch
            {
                Varint => TryReadVarint(ref reader, out _),
                Fixed64 => TrySkip(ref reader, sizeof(ulong)),
                Fixed32 => TrySkip(ref reader, sizeof(uint)),
                Bytes => TryReadVarint(ref reader, out ulong length) && TryReadBytes(ref reader, length, tag >> 3 == DataField, ref data),
                _ => false, // groups, which proto3 does not have
            };
            if (!ok || (tag >> 3 == DataField && (tag & 7) != Bytes))
            {
                throw Malformed();
            }
        }

        return data;
    }

    private static bool TryReadBytes(ref SequenceReader<byte> reader, ulong length, bool isData, ref ReadOnlySequence<byte> data)
    {
        if (length > (ulong)reader.Remaining)
        {
            return false;
        }

        if (isData)
        {
            data = reader.UnreadSequence.Slice(0, (long)length);
        }

        reader.Advance((long)length);
        return true;
    }

    private static bool TrySkip(ref SequenceReader<byte> reader, int length)
    {
        if (reader.Remaining < length)
        {
            return false;
        }

        reader.Advance(length);
        return true;
    }

    private static bool TryReadVarint(ref SequenceReader<byte> reader, out ulong value)
    {
        value = 0;
        for (int shift = 0; shift < 70 && reader.TryRead(out byte b); shift += 7)
        {
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                return shift < 63 || b <= 1;
            }
        }

        return false;
    }

    private static FormatException Malformed() => new("Not a message of type BlobChunk.");
}
