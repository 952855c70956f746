using System.Buffers;
using System.IO.Pipelines;

namespace Tvix.Store.Nar;

/// <summary>Reads from a stream through a buffer of its own.</summary>
/// <param name="stream">The input.</param>
/// <param name="exact">
/// Whether to take no byte from the stream that might not belong to the archive, at the price of more and smaller reads.
/// </param>
/// <param name="tap">Receives every byte that was consumed.</param>
internal sealed class StreamNarSource(Stream stream, bool exact, PipeWriter? tap) : NarSource(tap)
{
    private const int BufferLength = 128 * 1024;

    private byte[]? _buffer;
    private int _start; // the first byte that the tap has not seen
    private int _end;

    public override async ValueTask<bool> EnsureAsync(int count, long available, CancellationToken cancellationToken)
    {
        if (Window.Length >= count)
        {
            return true;
        }

        byte[] buffer = _buffer ??= ArrayPool<byte>.Shared.Rent(BufferLength);
        await TapConsumedAsync(cancellationToken).ConfigureAwait(false);
        Window.Span.CopyTo(buffer);
        _start = 0;
        _end = Window.Length;
        long limit = exact ? Math.Min(available, buffer.Length) : buffer.Length;
        try
        {
            while (_end < count)
            {
                int read = await stream.ReadAsync(buffer.AsMemory(_end, (int)limit - _end), cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    return false;
                }

                _end += read;
            }

            return true;
        }
        finally
        {
            Window = buffer.AsMemory(0, _end);
        }
    }

    public override async ValueTask<int> ReadDirectAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        await TapConsumedAsync(cancellationToken).ConfigureAwait(false);
        _start = _end;
        int read = await stream.ReadAsync(destination, cancellationToken).ConfigureAwait(false);
        if (Tap is { } tap)
        {
            await tap.WriteAsync(destination[..read], cancellationToken).ConfigureAwait(false);
        }

        return read;
    }

    public override async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        await TapConsumedAsync(cancellationToken).ConfigureAwait(false);
        _start = _end - Window.Length;
    }

    public override async ValueTask DisposeAsync(bool leaveOpen)
    {
        Window = default;
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (!leaveOpen)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask TapConsumedAsync(CancellationToken cancellationToken)
    {
        int consumed = _end - Window.Length - _start;
        if (Tap is { } tap && consumed > 0)
        {
            await tap.WriteAsync(_buffer.AsMemory(_start, consumed), cancellationToken).ConfigureAwait(false);
        }
    }
}
