using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Reads the messages of a body.</summary>
/// <remarks>
/// <code>
/// body    = { message }
/// message = compressed, length, bytes        compressed = 1 byte, 0 or 1; length = 4 bytes, big endian
/// </code>
/// Source: grpc.io, "gRPC over HTTP2". A message is held in the pipe as a whole; its length is checked against the limit before that.
/// </remarks>
internal sealed class GrpcFrameReader(PipeReader body, int maxMessageSize) : IDisposable
{
    private const int HeaderSize = 5;

    private readonly PooledBuffer _decompressed = new();
    private SequencePosition? _consumed;

    /// <summary>Whether messages may be compressed with gzip: what the header <c>grpc-encoding</c> says.</summary>
    public bool IsGzip { get; set; }

    /// <summary>Whether the last message was compressed.</summary>
    public bool WasCompressed { get; private set; }

    /// <summary>The next message, whose bytes are valid until the next call; <see langword="null"/> at the end.</summary>
    /// <exception cref="GrpcException">The body breaks off in a message, or a message is too long or cannot be decompressed.</exception>
    public async ValueTask<ReadOnlySequence<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        if (_consumed is { } consumed)
        {
            _consumed = null;
            body.AdvanceTo(consumed);
        }

        while (true)
        {
            ReadResult result = await body.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = result.Buffer;
            if (TryParse(buffer, out ReadOnlySequence<byte> message, out bool compressed))
            {
                _consumed = message.End;
                WasCompressed = compressed;
                return compressed ? Decompress(message) : message;
            }

            body.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCanceled)
            {
                throw new OperationCanceledException();
            }

            if (result.IsCompleted)
            {
                return buffer.IsEmpty ? null : throw new GrpcException(GrpcStatusCode.Internal, "The stream of messages breaks off in the middle of one.");
            }
        }
    }

    public void Dispose() => _decompressed.Dispose();

    private bool TryParse(ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> message, out bool compressed)
    {
        message = default;
        compressed = false;
        if (buffer.Length < HeaderSize)
        {
            return false;
        }

        Span<byte> header = stackalloc byte[HeaderSize];
        buffer.Slice(0, HeaderSize).CopyTo(header);
        if (header[0] > 1)
        {
            throw new GrpcException(GrpcStatusCode.Internal, $"A message begins with the byte {header[0]}, which is neither 0 nor 1.");
        }

        compressed = header[0] == 1;
        uint length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        if (length > (uint)maxMessageSize)
        {
            throw new GrpcException(GrpcStatusCode.ResourceExhausted, $"A message is {length} bytes long; the limit is {maxMessageSize}.");
        }

        if (buffer.Length - HeaderSize < length)
        {
            return false;
        }

        message = buffer.Slice(HeaderSize, length);
        return true;
    }

    private ReadOnlySequence<byte> Decompress(ReadOnlySequence<byte> message)
    {
        if (!IsGzip)
        {
            throw new GrpcException(GrpcStatusCode.Internal, "A message is compressed, but no encoding was named.");
        }

        _decompressed.Clear();
        GrpcEncoding.Decompress(message, _decompressed, maxMessageSize);
        return new ReadOnlySequence<byte>(_decompressed.WrittenMemory);
    }
}
