using System.Buffers;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Reads the messages of a body from a stream into one buffer, which grows to the longest message.</summary>
internal sealed class GrpcStreamFrameReader(Stream body, int maxMessageSize, bool isGzip) : IDisposable
{
    private const int ReadSize = 16 * 1024;

    private readonly PooledBuffer _decompressed = new();
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(ReadSize);
    private int _start;
    private int _end;

    /// <summary>The next message, whose bytes are valid until the next call; <see langword="null"/> at the end.</summary>
    /// <exception cref="GrpcException">The body breaks off in a message, or a message is too long or cannot be decompressed.</exception>
    public async ValueTask<ReadOnlySequence<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        if (!await FillAsync(GrpcFrame.HeaderSize, cancellationToken).ConfigureAwait(false))
        {
            return _start == _end ? null : throw GrpcFrame.BreaksOff();
        }

        (bool compressed, int length) = GrpcFrame.ParseHeader(_buffer.AsSpan(_start), maxMessageSize);
        _start += GrpcFrame.HeaderSize;
        if (!await FillAsync(length, cancellationToken).ConfigureAwait(false))
        {
            throw GrpcFrame.BreaksOff();
        }

        ReadOnlySequence<byte> message = new(_buffer, _start, length);
        _start += length;
        return compressed ? GrpcFrame.Decompress(message, _decompressed, isGzip, maxMessageSize) : message;
    }

    public void Dispose()
    {
        byte[] buffer = _buffer;
        _buffer = [];
        _decompressed.Dispose();
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads until as many bytes are there.</summary>
    private async ValueTask<bool> FillAsync(int count, CancellationToken cancellationToken)
    {
        while (_end - _start < count)
        {
            MakeRoom(count);
            int read = await body.ReadAsync(_buffer.AsMemory(_end), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return false;
            }

            _end += read;
        }

        return true;
    }

    private void MakeRoom(int count)
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }

        if (_buffer.Length - _start >= count && _end < _buffer.Length)
        {
            return;
        }

        // What grows is what a message needs, with room for the head of the next one.
        byte[] target = _buffer.Length >= count ? _buffer : ArrayPool<byte>.Shared.Rent(count + ReadSize);
        _buffer.AsSpan(_start, _end - _start).CopyTo(target);
        if (target != _buffer)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = target;
        }

        _end -= _start;
        _start = 0;
    }
}
