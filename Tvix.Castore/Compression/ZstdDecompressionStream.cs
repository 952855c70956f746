using System.Buffers;

namespace Tvix.Castore.Compression;

/// <summary>Reads the contents of zstd frames, one after the other, from another stream.</summary>
/// <remarks>
/// The frames must be whole and must be all there is: at the end of the other stream, a read throws <see cref="InvalidDataException"/> when
/// a frame is incomplete or when there was none, and earlier when something is damaged or is no frame. Bytes read before that are not to be
/// relied on. The decoder holds at most what the frames ask for, and never more than 128 MiB. Used by one caller at a time.
/// </remarks>
public sealed class ZstdDecompressionStream : Stream
{
    private const int BufferLength = 1 << 17;

    private readonly Stream _inner;
    private readonly bool _leaveOpen;
    private ZstdDecompressor? _decompressor;
    private byte[] _buffer;
    private int _start;
    private int _end;
    private bool _betweenFrames;
    private bool _moreToGive;

    /// <summary>Starts reading.</summary>
    /// <param name="inner">The stream with the frames.</param>
    /// <param name="leaveOpen">Whether <paramref name="inner"/> stays open when this stream is disposed.</param>
    /// <exception cref="ArgumentException"><paramref name="inner"/> cannot be read.</exception>
    /// <exception cref="PlatformNotSupportedException">libzstd is not there.</exception>
    public ZstdDecompressionStream(Stream inner, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(inner);
        if (!inner.CanRead)
        {
            throw new ArgumentException("The stream cannot be read.", nameof(inner));
        }

        _inner = inner;
        _leaveOpen = leaveOpen;
        _decompressor = ZstdDecompressor.Pool.Rent();
        LibZstd.Reset(_decompressor);
        _buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
    }

    /// <inheritdoc/>
    public override bool CanRead => _decompressor is not null;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <summary>Not supported.</summary>
    public override long Length => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int written;
        while (!TryGive(buffer, out written))
        {
            _end = _inner.Read(_buffer, 0, BufferLength);
            if (!TryContinue())
            {
                return 0;
            }
        }

        return written;
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int written;
        while (!TryGive(buffer.Span, out written))
        {
            _end = await _inner.ReadAsync(_buffer.AsMemory(0, BufferLength), cancellationToken).ConfigureAwait(false);
            if (!TryContinue())
            {
                return 0;
            }
        }

        return written;
    }

    /// <summary>Does nothing.</summary>
    public override void Flush()
    {
    }

    /// <summary>Not supported.</summary>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (Release() && !_leaveOpen)
        {
            await _inner.DisposeAsync().ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && Release() && !_leaveOpen)
        {
            _inner.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Gives what the bytes at hand yield; <see langword="false"/> when more of them are needed.</summary>
    private bool TryGive(Span<byte> destination, out int written)
    {
        ObjectDisposedException.ThrowIf(_decompressor is null, this);
        written = 0;
        while (!destination.IsEmpty && (_start < _end || _moreToGive))
        {
            ReadOnlySpan<byte> source = _buffer.AsSpan(_start, _end - _start);
            nuint state = LibZstd.Decompress(_decompressor, source, destination, out int consumed, out written);
            _start += consumed;
            _betweenFrames = state == 0;
            _moreToGive = state != 0 && written == destination.Length;
            if (written > 0)
            {
                return true;
            }
        }

        return destination.IsEmpty;
    }

    /// <summary>Takes note of what was read into the buffer; <see langword="false"/> at the end.</summary>
    private bool TryContinue()
    {
        _start = 0;
        if (_end == 0 && !_betweenFrames)
        {
            throw Zstd.Truncated();
        }

        return _end > 0;
    }

    private bool Release()
    {
        if (Interlocked.Exchange(ref _decompressor, null) is not { } decompressor)
        {
            return false;
        }

        ZstdDecompressor.Pool.Return(decompressor);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        return true;
    }
}
