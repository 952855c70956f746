using System.IO.Pipelines;

namespace Tvix.Castore.Compression;

/// <summary>Writes to another pipe as zstd what is compressed already, and what shall not be: frame after frame, without libzstd. That other pipe stays the caller's.</summary>
/// <remarks>What is written as to any pipe becomes frames of one raw block each, however small the writes are. A flush does not end one; <see cref="FinishAsync"/> does.</remarks>
internal sealed class ZstdFrameWriter(PipeWriter inner) : PipeWriter
{
    private const int UsualLength = 32 << 10;

    private Memory<byte> _frame; // room for the head and the contents of the frame that is being written; empty when there is none
    private int _used;
    private bool _hasEnded; // whether there are frames that were not passed on

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _used;

    /// <summary>Room for contents.</summary>
    /// <param name="sizeHint">How much at least; no more than a block may have.</param>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeHint, ZstdFrame.MaxBlockLength);
        if (_frame.Length - ZstdFrame.RawHeadLength - _used < Math.Max(sizeHint, 1))
        {
            EndFrame();
            Memory<byte> memory = inner.GetMemory(ZstdFrame.RawHeadLength + Math.Max(sizeHint, UsualLength));
            _frame = memory[..Math.Min(memory.Length, ZstdFrame.RawHeadLength + ZstdFrame.MaxBlockLength)];
        }

        return _frame[(ZstdFrame.RawHeadLength + _used)..];
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Math.Max(0, _frame.Length - ZstdFrame.RawHeadLength - _used));
        _used += bytes;
    }

    public override async ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        while (!source.IsEmpty)
        {
            Memory<byte> free = GetMemory(Math.Min(source.Length, UsualLength));
            int count = Math.Min(free.Length, source.Length);
            source[..count].CopyTo(free);
            Advance(count);
            source = source[count..];
            if (!source.IsEmpty && await FinishAsync(cancellationToken).ConfigureAwait(false) is { } result && (result.IsCompleted || result.IsCanceled))
            {
                return result;
            }
        }

        return await FinishAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes a frame that is there already.</summary>
    public ValueTask<FlushResult> WriteFrameAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        EndFrame();
        _hasEnded = false;
        return inner.WriteAsync(frame, cancellationToken);
    }

    /// <summary>Passes on the frames that are ended. The one that is being written goes on: what is written in small pieces shall not end in small frames.</summary>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!_hasEnded)
        {
            return default;
        }

        if (_used > 0)
        {
            return FinishAsync(cancellationToken); // the other pipe may take back the memory that it gave
        }

        _frame = default;
        _hasEnded = false;
        return inner.FlushAsync(cancellationToken);
    }

    /// <summary>Ends the frame that is being written, and flushes the other pipe.</summary>
    public ValueTask<FlushResult> FinishAsync(CancellationToken cancellationToken)
    {
        EndFrame();
        _hasEnded = false;
        return inner.FlushAsync(cancellationToken);
    }

    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    public override void Complete(Exception? exception = null)
    {
        // The other pipe is for whoever made it to complete.
    }

    private void EndFrame()
    {
        if (_used > 0)
        {
            ZstdFrame.WriteRawHead(_frame.Span, _used);
            inner.Advance(ZstdFrame.RawHeadLength + _used);
            _hasEnded = true;
        }

        _frame = default;
        _used = 0;
    }
}
