using System.Buffers;
using System.Buffers.Binary;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Writes messages with the five bytes that come before each; see <see cref="GrpcFrameReader"/>.</summary>
internal static class GrpcFrame
{
    private const int HeaderSize = 5;

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
        WriteHeader(destination, packed.WrittenCount, compressed: true);
        destination.Write(packed.WrittenMemory.Span);
    }

    private static void WriteHeader(IBufferWriter<byte> destination, int size, bool compressed)
    {
        Span<byte> header = destination.GetSpan(HeaderSize);
        header[0] = compressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32BigEndian(header[1..], size);
        destination.Advance(HeaderSize);
    }
}
