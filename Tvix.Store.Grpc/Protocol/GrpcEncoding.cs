using System.Buffers;
using System.IO.Compression;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>How messages are compressed.</summary>
internal static class GrpcEncoding
{
    public const string Identity = "identity";
    public const string Gzip = "gzip";

    /// <summary>The value of <c>grpc-accept-encoding</c>.</summary>
    public const string Accepted = "identity,gzip";

    private const int ReadSize = 16 * 1024;

    /// <summary>Decompresses a message, up to a limit.</summary>
    /// <exception cref="GrpcException">It is no gzip, or longer than the limit.</exception>
    public static void Decompress(in ReadOnlySequence<byte> compressed, PooledBuffer destination, int maxSize)
    {
        try
        {
            using GZipStream gzip = new(new SequenceStream(compressed), CompressionMode.Decompress);
            int read;
            while ((read = gzip.Read(destination.GetSpan(ReadSize))) > 0)
            {
                destination.Advance(read);
                if (destination.WrittenCount > maxSize)
                {
                    throw new GrpcException(GrpcStatusCode.ResourceExhausted, $"A message is longer than {maxSize} bytes when it is decompressed.");
                }
            }
        }
        catch (InvalidDataException e)
        {
            throw new GrpcException(GrpcStatusCode.Internal, "A message that is said to be compressed with gzip is not.", e);
        }
    }

    public static void Compress(ReadOnlySpan<byte> message, IBufferWriter<byte> destination)
    {
        using MemoryStream compressed = new();
        using (GZipStream gzip = new(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(message);
        }

        destination.Write(compressed.GetBuffer().AsSpan(0, (int)compressed.Length));
    }

    /// <summary>Whether a list of encodings, as in <c>grpc-accept-encoding</c>, has one.</summary>
    public static bool Accepts(string? list, string encoding)
    {
        foreach (Range part in list.AsSpan().Split(','))
        {
            if (list.AsSpan()[part].Trim().SequenceEqual(encoding))
            {
                return true;
            }
        }

        return false;
    }

    private sealed class SequenceStream(ReadOnlySequence<byte> sequence) : Stream
    {
        private ReadOnlySequence<byte> _rest = sequence;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int count = (int)Math.Min(buffer.Length, _rest.Length);
            _rest.Slice(0, count).CopyTo(buffer);
            _rest = _rest.Slice(count);
            return count;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
