using System.Buffers;

namespace Tvix.Store.BinaryCaches;

/// <summary>Writes an xz stream into another stream, which stays open. Complete when this one is disposed; after an exception from a write, it is not completed.</summary>
internal sealed class XzCompressionStream : Stream
{
    /// <summary>What the xz tool and Nix use unless told otherwise. Takes 94 MiB.</summary>
    public const int DefaultLevel = 6;

    /// <summary>Takes 3 MiB.</summary>
    public const int FastestLevel = 0;

    private const int BufferLength = 64 << 10;

    private readonly Stream _inner;
    private readonly LibLzma.Handle _handle;
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
    private bool _broken;

    /// <exception cref="PlatformNotSupportedException">There is no liblzma.</exception>
    public XzCompressionStream(Stream inner, int level = DefaultLevel)
    {
        _inner = inner;
        _handle = LibLzma.IsAvailable
            ? LibLzma.NewEncoder((uint)level)
            : throw new PlatformNotSupportedException("Writing xz needs the system's liblzma, which is not on this machine.");
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => _buffer is not null;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        await RunAsync(buffer, isLast: false, cancellationToken).ConfigureAwait(false);

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Use WriteAsync.");

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        if (_buffer is not null)
        {
            try
            {
                if (!_broken)
                {
                    await RunAsync(default, isLast: true, CancellationToken.None).ConfigureAwait(false);
                }
            }
            finally
            {
                Release();
            }
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Release();
        }

        base.Dispose(disposing);
    }

    private async ValueTask RunAsync(ReadOnlyMemory<byte> input, bool isLast, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_buffer is null, this);
        bool wasBroken = _broken;
        _broken = true;
        LibLzma.Result result = LibLzma.Result.Ok;
        while (!wasBroken && (isLast ? result != LibLzma.Result.StreamEnd : !input.IsEmpty))
        {
            (result, int written) = LibLzma.Code(_handle, input.Span, isLast, _buffer, out int consumed);
            if (result is not (LibLzma.Result.Ok or LibLzma.Result.StreamEnd))
            {
                throw new IOException($"liblzma could not compress ({result}).");
            }

            input = input[consumed..];
            await _inner.WriteAsync(_buffer.AsMemory(0, written), cancellationToken).ConfigureAwait(false);
        }

        _broken = wasBroken;
    }

    private void Release()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
            _handle.Dispose();
        }
    }
}
