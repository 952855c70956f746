using System.Diagnostics.CodeAnalysis;

namespace Tvix.Store.Nar;

public sealed partial class NarReader
{
    // The last bytes of a file are handed out only after what follows them was checked. When they are in the window but the rest is not,
    // all but these are handed out first, so that the window has to hold no more than this and the rest at once.
    private const int HeldBack = 1024;

    // Below this the way through the window is cheaper than a read of its own.
    private const int DirectReadLength = 16 * 1024;

    /// <summary>The next bytes of the file, without a copy.</summary>
    /// <returns>Some bytes, valid until the next call of a method of the reader; no bytes at the end of the file.</returns>
    /// <exception cref="InvalidOperationException">The reader does not stand on a file, or failed.</exception>
    /// <exception cref="NarFormatException">
    /// The input ends, or what follows the file is wrong; found before the file's last byte is handed out.
    /// </exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadContentsAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!HasContents())
        {
            return default;
        }

        return TryTakeSlice(out ReadOnlyMemory<byte> slice)
            ? new ValueTask<ReadOnlyMemory<byte>>(slice)
            : ReadSliceSlowAsync(cancellationToken);
    }

    /// <summary>Copies the next bytes of the file.</summary>
    /// <returns>The number of bytes copied; 0 at the end of the file, or when <paramref name="destination"/> is empty.</returns>
    /// <exception cref="InvalidOperationException">The reader does not stand on a file, or failed.</exception>
    /// <exception cref="NarFormatException">
    /// The input ends, or what follows the file is wrong; found before the call that copies its last byte returns.
    /// </exception>
    public ValueTask<int> ReadContentsAsync(Memory<byte> destination, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!HasContents() || destination.IsEmpty)
        {
            return new ValueTask<int>(0);
        }

        ReadOnlySpan<byte> window = _source.Window.Span;
        int count = (int)Math.Min(Math.Min(destination.Length, window.Length), _remaining);
        if (count == 0 || (count == _remaining && window.Length < count + TailLength))
        {
            return ReadSlowAsync(destination, cancellationToken);
        }

        window[..count].CopyTo(destination.Span);
        TakeContents(count);
        return new ValueTask<int>(count);
    }

    /// <summary>A stream over the file's contents, from where the reader stands in them.</summary>
    /// <returns>
    /// A forward-only stream, for asynchronous reads only. It belongs to the reader: it need not be disposed, and throws
    /// <see cref="InvalidOperationException"/> once the reader has moved on.
    /// </returns>
    /// <exception cref="InvalidOperationException">The reader does not stand on a file.</exception>
    public Stream OpenContents()
    {
        Require(NarTokenType.File);
        return new NarContentStream(this);
    }

    /// <summary>The padding after the contents, and the end of the node.</summary>
    private int TailLength => NarWire.Padding(_size) + NarWire.CloseLength;

    private bool HasContents()
    {
        if (_state is State.Failed or State.Disposed)
        {
            throw Misuse();
        }

        Require(NarTokenType.File);
        return _state == State.InContents;
    }

    private bool TryTakeSlice(out ReadOnlyMemory<byte> slice)
    {
        ReadOnlyMemory<byte> window = _source.Window;
        long count = _remaining;
        if (window.Length < count)
        {
            count = window.Length;
        }
        else if (window.Length < count + TailLength)
        {
            count -= HeldBack;
        }

        if (count <= 0)
        {
            slice = default;
            return false;
        }

        slice = window[..(int)count];
        TakeContents((int)count);
        return true;
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadSliceSlowAsync(CancellationToken cancellationToken)
    {
        // Without anything to hand out, the window is empty, or the file's end is near and its tail is not here.
        int needed = _source.Window.IsEmpty ? 1 : (int)_remaining + TailLength;
        await FillAsync(needed, _remaining + TailLength, cancellationToken).ConfigureAwait(false);
        if (_endOfInput)
        {
            ThrowTail();
        }

        _state = State.InContents;
        return await ReadContentsAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<int> ReadSlowAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        int count = -1;
        if (_source.Window.IsEmpty && Math.Min(destination.Length, _remaining) >= DirectReadLength)
        {
            _state = State.Failed;
            Memory<byte> part = destination[..(int)Math.Min(destination.Length, _remaining)];
            count = await _source.ReadDirectAsync(part, cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                throw UnexpectedEnd([]);
            }

            if (count > 0)
            {
                _remaining -= count;
                _offset += count;
            }
        }

        if (count < 0)
        {
            if (_source.Window.IsEmpty)
            {
                await FillAsync(1, _remaining + TailLength, cancellationToken).ConfigureAwait(false);
                if (_endOfInput)
                {
                    throw UnexpectedEnd([]);
                }
            }

            count = (int)Math.Min(Math.Min(destination.Length, _source.Window.Length), _remaining);
            _source.Window.Span[..count].CopyTo(destination.Span);
            _remaining -= count;
            _offset += count;
            _source.Consume(count);
        }

        if (_remaining == 0)
        {
            await FillAsync(TailLength, TailLength, cancellationToken).ConfigureAwait(false);
            if (_endOfInput)
            {
                ThrowTail();
            }

            TakeContents(0);
        }
        else
        {
            _state = State.InContents;
        }

        return count;
    }

    /// <summary>Steps over contents in the window, and over the tail with the last of them.</summary>
    private void TakeContents(int count)
    {
        if (count < _remaining)
        {
            _source.Consume(count);
            _offset += count;
            _remaining -= count;
            return;
        }

        int padding = NarWire.Padding(_size);
        ReadOnlySpan<byte> tail = _source.Window.Span.Slice(count, padding + NarWire.CloseLength);
        if (tail[..padding].ContainsAnyExcept((byte)0) || !tail[padding..].SequenceEqual(NarWire.Close))
        {
            ThrowTail();
        }

        count += tail.Length;
        _source.Consume(count);
        _offset += count;
        _remaining = 0;
        EndNode();
    }

    /// <summary>Says what is wrong with the end of the file; the window has all that there is, or enough to tell.</summary>
    [DoesNotReturn]
    private void ThrowTail()
    {
        ReadOnlySpan<byte> window = _source.Window.Span;
        int padding = NarWire.Padding(_size);
        if (window.Length > _remaining)
        {
            ReadOnlySpan<byte> tail = window[(int)_remaining..];
            CheckPadding(tail[..Math.Min(padding, tail.Length)], 0, _remaining);
            if (tail.Length > padding)
            {
                ThrowMismatch(tail[padding..], _remaining + padding, NarWire.Close);
            }
        }

        throw UnexpectedEnd(window);
    }
}
