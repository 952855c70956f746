using System.Buffers;
using System.IO.Pipelines;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Reads the messages of a body from a pipe, where they stay: nothing is copied.</summary>
internal sealed class GrpcPipeFrameReader(PipeReader body, int maxMessageSize) : IDisposable
{
    private readonly PooledBuffer _decompressed = new();
    private SequencePosition? _consumed;

    /// <summary>Whether messages may be compressed with gzip: what the header <c>grpc-encoding</c> says.</summary>
    public bool IsGzip { get; set; }

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
                return compressed ? GrpcFrame.Decompress(message, _decompressed, IsGzip, maxMessageSize) : message;
            }

            body.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCanceled)
            {
                throw new OperationCanceledException();
            }

            if (result.IsCompleted)
            {
                return buffer.IsEmpty ? null : throw GrpcFrame.BreaksOff();
            }
        }
    }

    /// <summary>The only message, once the end of the body has been seen.</summary>
    /// <exception cref="GrpcException">There is none, or more than one, or as for <see cref="ReadAsync"/>.</exception>
    public async ValueTask<ReadOnlySequence<byte>> ReadSingleAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult result = await body.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = result.Buffer;
            if (TryParse(buffer, out ReadOnlySequence<byte> message, out bool compressed))
            {
                if (!buffer.Slice(message.End).IsEmpty)
                {
                    throw new GrpcException(GrpcStatusCode.Unimplemented, "The call takes one message, but more came.");
                }

                if (result.IsCompleted)
                {
                    _consumed = message.End;
                    return compressed ? GrpcFrame.Decompress(message, _decompressed, IsGzip, maxMessageSize) : message;
                }
            }
            else if (result.IsCompleted)
            {
                throw buffer.IsEmpty ? new GrpcException(GrpcStatusCode.Unimplemented, "The call takes one message, but none came.") : GrpcFrame.BreaksOff();
            }

            body.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCanceled)
            {
                throw new OperationCanceledException();
            }
        }
    }

    public void Dispose() => _decompressed.Dispose();

    private bool TryParse(ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> message, out bool compressed)
    {
        message = default;
        compressed = false;
        if (buffer.Length < GrpcFrame.HeaderSize)
        {
            return false;
        }

        Span<byte> header = stackalloc byte[GrpcFrame.HeaderSize];
        buffer.Slice(0, GrpcFrame.HeaderSize).CopyTo(header);
        (compressed, int length) = GrpcFrame.ParseHeader(header, maxMessageSize);
        if (buffer.Length - GrpcFrame.HeaderSize < length)
        {
            return false;
        }

        message = buffer.Slice(GrpcFrame.HeaderSize, length);
        return true;
    }
}
