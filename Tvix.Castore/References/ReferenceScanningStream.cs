namespace Tvix.Castore.References;

/// <summary>Passes the bytes of another stream through unchanged, and scans those that were read.</summary>
/// <remarks>The stream is one file. Used by one caller at a time.</remarks>
public sealed class ReferenceScanningStream : Stream
{
    private readonly Stream _inner;
    private readonly ReferenceScan _scan;
    private readonly bool _leaveOpen;
    private bool _disposed;

    /// <summary>Starts reading.</summary>
    /// <param name="inner">Where the bytes come from.</param>
    /// <param name="scanner">What notes the candidates.</param>
    /// <param name="leaveOpen">Whether <paramref name="inner"/> stays open when this stream is disposed.</param>
    /// <exception cref="ArgumentException"><paramref name="inner"/> cannot be read.</exception>
    public ReferenceScanningStream(Stream inner, ReferenceScanner scanner, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(scanner);
        if (!inner.CanRead)
        {
            throw new ArgumentException("The stream cannot be read.", nameof(inner));
        }

        _inner = inner;
        _scan = scanner.StartFile();
        _leaveOpen = leaveOpen;
    }

    /// <inheritdoc/>
    public override bool CanRead => !_disposed;

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
        ObjectDisposedException.ThrowIf(_disposed, this);
        int read = _inner.Read(buffer);
        _scan.Append(buffer[..read]);
        return read;
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
        ObjectDisposedException.ThrowIf(_disposed, this);
        int read = await _inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        _scan.Append(buffer.Span[..read]);
        return read;
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
        if (!_disposed)
        {
            _disposed = true;
            if (!_leaveOpen)
            {
                await _inner.DisposeAsync().ConfigureAwait(false);
            }
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            if (!_leaveOpen)
            {
                _inner.Dispose();
            }
        }

        base.Dispose(disposing);
    }
}
