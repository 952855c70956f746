using System.Buffers;
using System.Buffers.Binary;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Messages as they stand in a body.</summary>
/// <remarks>
/// <code>
/// body    = { message }
/// message = compressed, length, bytes        compressed = 1 byte, 0 or 1; length = 4 bytes, big endian
/// </code>
/// Source: grpc.io, "gRPC over HTTP2".
/// </remarks>
internal static class GrpcFrame
{
    public const int HeaderSize = 5;

    /// <summary>Writes a message.</summary>
    /// <exception cref="GrpcException">The message is longer than the limit.</exception>
    public static void Write<T>(GrpcMarshaller<T> marshaller, T message, IBufferWriter<byte> destination, bool compress, int? maxSize)
    {
        int size = marshaller.GetSize(message);
        if (size > maxSize)
        {
            throw new GrpcException(GrpcStatusCode.ResourceExhausted, $"A message to be sent is {size} bytes long; the limit is {maxSize}.");
        }

        if (!compress)
        {
            WriteHeader(destination, size, compressed: false);
            marshaller.Write(message, destination);
            return;
        }

        using PooledBuffer plain = new();
        using PooledBuffer packed = new();
        marshaller.Write(message, plain);
        GrpcEncoding.Compress(plain.WrittenMemory.Span, packed);
        bool isSmaller = packed.WrittenCount < size; // what does not get smaller goes out as it is
        WriteHeader(destination, isSmaller ? packed.WrittenCount : size, isSmaller);
        destination.Write(isSmaller ? packed.WrittenMemory.Span : plain.WrittenMemory.Span);
    }

    /// <summary>Reads what comes before a message.</summary>
    /// <exception cref="GrpcException">It is nonsense, or announces a message beyond the limit.</exception>
    public static (bool Compressed, int Length) ParseHeader(ReadOnlySpan<byte> header, int maxMessageSize)
    {
        if (header[0] > 1)
        {
            throw new GrpcException(GrpcStatusCode.Internal, $"A message begins with the byte {header[0]}, which is neither 0 nor 1.");
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        return length <= (uint)maxMessageSize
            ? (header[0] == 1, (int)length)
            : throw new GrpcException(GrpcStatusCode.ResourceExhausted, $"A message is {length} bytes long; the limit is {maxMessageSize}.");
    }

    /// <exception cref="GrpcException">The message cannot be decompressed, or is too long then.</exception>
    public static ReadOnlySequence<byte> Decompress(ReadOnlySequence<byte> message, PooledBuffer buffer, bool isGzip, int maxMessageSize)
    {
        if (!isGzip)
        {
            throw new GrpcException(GrpcStatusCode.Internal, "A message is compressed, but no encoding was named.");
        }

        buffer.Clear();
        GrpcEncoding.Decompress(message, buffer, maxMessageSize);
        return new ReadOnlySequence<byte>(buffer.WrittenMemory);
    }

    public static GrpcException BreaksOff() => new(GrpcStatusCode.Internal, "The stream of messages breaks off in the middle of one.");

    private static void WriteHeader(IBufferWriter<byte> destination, int size, bool compressed)
    {
        Span<byte> header = destination.GetSpan(HeaderSize);
        header[0] = compressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32BigEndian(header[1..], size);
        destination.Advance(HeaderSize);
    }
}
