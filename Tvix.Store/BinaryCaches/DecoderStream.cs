using System.Buffers;

namespace Tvix.Store.BinaryCaches;

/// <summary>What a decoder makes of another stream. Used by one caller at a time.</summary>
internal sealed class DecoderStream(Stream inner, StreamDecoder decoder, bool leaveOpen) : ForwardReadStream
{
    private const int BufferLength = 64 << 10;

    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
    private int _start;
    private int _end;
    private bool _isLast;

    public override bool CanRead => _buffer is not null;

    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    public override int Read(Span<byte> buffer)
    {
        int written;
        while (!TryGive(buffer, out written))
        {
            Filled(inner.Read(_buffer!, 0, BufferLength));
        }

        return written;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int written;
        while (!TryGive(buffer.Span, out written))
        {
            Filled(await inner.ReadAsync(_buffer!.AsMemory(0, BufferLength), cancellationToken).ConfigureAwait(false));
        }

        return written;
    }

    public override async ValueTask DisposeAsync()
    {
        bool wasOpen = _buffer is not null;
        Release();
        if (wasOpen && !leaveOpen)
        {
            await inner.DisposeAsync().ConfigureAwait(false);
        }
    }

    protected override void Dispose(bool disposing)
    {
        bool wasOpen = _buffer is not null;
        if (disposing)
        {
            Release();
            if (wasOpen && !leaveOpen)
            {
                inner.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    /// <summary>Gives what can be given; <see langword="false"/> when more input is needed first.</summary>
    private bool TryGive(Span<byte> output, out int written)
    {
        ObjectDisposedException.ThrowIf(_buffer is null, this);
        written = 0;
        while (!decoder.IsFinished && written == 0 && output.Length > 0)
        {
            if (_start == _end && !_isLast)
            {
                return false;
            }

            written = decoder.Decode(_buffer.AsSpan(_start, _end - _start), _isLast, output, out int consumed);
            _start += consumed;
            if (written == 0 && consumed == 0 && !decoder.IsFinished)
            {
                throw new InvalidDataException("The compressed data is damaged."); // it goes round in circles
            }
        }

        return true;
    }

    private void Filled(int count)
    {
        _start = 0;
        _end = count;
        _isLast = count == 0;
    }

    private void Release()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
            decoder.Dispose();
        }
    }
}
