using System.Buffers;

namespace Tvix.Castore.Compression;

/// <summary>Writes one zstd frame into another stream. The frame is complete when this stream is disposed.</summary>
/// <remarks>
/// The frame declares no length and has no checksum. After an exception from a write, disposing does not complete the frame. Used by one
/// caller at a time.
/// </remarks>
public sealed class ZstdCompressionStream : Stream
{
    private const int BufferLength = 1 << 17;

    private readonly Stream _inner;
    private readonly int _level;
    private readonly bool _leaveOpen;
    private ZstdCompressor? _compressor;
    private byte[] _buffer;
    private bool _broken;

    /// <summary>Starts writing.</summary>
    /// <param name="inner">The stream that receives the frame.</param>
    /// <param name="level"><see cref="Zstd.MinLevel"/> to <see cref="Zstd.MaxLevel"/>.</param>
    /// <param name="leaveOpen">Whether <paramref name="inner"/> stays open when this stream is disposed.</param>
    /// <exception cref="ArgumentException"><paramref name="inner"/> cannot be written.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="level"/> is out of its range.</exception>
    /// <exception cref="PlatformNotSupportedException">libzstd is not there.</exception>
    public ZstdCompressionStream(Stream inner, int level = Zstd.DefaultLevel, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(inner);
        Zstd.ThrowIfNoLevel(level);
        if (!inner.CanWrite)
        {
            throw new ArgumentException("The stream cannot be written.", nameof(inner));
        }

        _inner = inner;
        _level = level;
        _leaveOpen = leaveOpen;
        _compressor = ZstdCompressor.Pool.Rent();
        LibZstd.Reset(_compressor, level);
        _buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
    }

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => _compressor is not null;

    /// <summary>Not supported.</summary>
    public override long Length => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        Write(buffer.AsSpan(offset, count));
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer) => Run(buffer, LibZstd.ContinueDirective);

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        RunAsync(buffer, LibZstd.ContinueDirective, cancellationToken);

    /// <summary>
    /// Writes everything that was taken so far, so that a reader can get at it, and flushes the other stream. Costs compression.
    /// </summary>
    public override void Flush()
    {
        Run([], LibZstd.FlushDirective);
        _inner.Flush();
    }

    /// <summary>
    /// Writes everything that was taken so far, so that a reader can get at it, and flushes the other stream. Costs compression.
    /// </summary>
    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        await RunAsync(default, LibZstd.FlushDirective, cancellationToken).ConfigureAwait(false);
        await _inner.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Not supported.</summary>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Has disposing not complete the frame, which lacks something.</summary>
    internal void Abandon() => _broken = true;

    /// <summary>Completes the frame.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (_compressor is not null)
        {
            try
            {
                if (!_broken)
                {
                    await RunAsync(default, LibZstd.EndDirective, CancellationToken.None).ConfigureAwait(false);
                }
            }
            finally
            {
                Release();
                if (!_leaveOpen)
                {
                    await _inner.DisposeAsync().ConfigureAwait(false);
                }
            }
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Completes the frame.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing && _compressor is not null)
        {
            try
            {
                if (!_broken)
                {
                    Run([], LibZstd.EndDirective);
                }
            }
            finally
            {
                Release();
                if (!_leaveOpen)
                {
                    _inner.Dispose();
                }
            }
        }

        base.Dispose(disposing);
    }

    private void Run(ReadOnlySpan<byte> source, int directive)
    {
        ThrowIfNotWritable();
        _broken = true;
        bool done;
        do
        {
            done = Step(ref source, directive, out int written);
            _inner.Write(_buffer, 0, written);
        }
        while (!done);
        _broken = false;
    }

    private async ValueTask RunAsync(ReadOnlyMemory<byte> source, int directive, CancellationToken cancellationToken)
    {
        ThrowIfNotWritable();
        cancellationToken.ThrowIfCancellationRequested();
        _broken = true;
        bool done;
        do
        {
            ReadOnlySpan<byte> rest = source.Span;
            done = Step(ref rest, directive, out int written);
            source = source[^rest.Length..];
            if (written > 0)
            {
                await _inner.WriteAsync(_buffer.AsMemory(0, written), cancellationToken).ConfigureAwait(false);
            }
        }
        while (!done);
        _broken = false;
    }

    /// <summary>Fills the buffer once; answers whether the directive is carried out.</summary>
    private bool Step(ref ReadOnlySpan<byte> source, int directive, out int written)
    {
        nuint waiting = LibZstd.Compress(_compressor!, source, _buffer.AsSpan(0, BufferLength), directive, out int consumed, out written);
        source = source[consumed..];
        return source.IsEmpty && (waiting == 0 || directive == LibZstd.ContinueDirective);
    }

    private void ThrowIfNotWritable()
    {
        ObjectDisposedException.ThrowIf(_compressor is null, this);
        if (_broken)
        {
            throw new InvalidOperationException("An earlier write failed; the frame cannot go on.");
        }
    }

    private void Release()
    {
        ZstdCompressor.Return(_compressor!, _level);
        _compressor = null;
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }
}
