using System.IO.Pipelines;

namespace Tvix.Store.Http;

/// <summary>Hands what is written to another pipe in large pieces: in few flushes, and in memory that one send takes as it is. That other pipe stays the caller's.</summary>
/// <remarks>
/// A server's pipe is made of blocks of 4 KiB, and a send takes as many as there are between two flushes. For long answers that is an expense: a lock for each block, and a change of
/// threads for each 64 KiB. A flush is passed on once a piece is full, or has no room for what comes; <see cref="FinishAsync"/> passes on the rest.
/// </remarks>
/// <param name="inner">The other pipe.</param>
/// <param name="expected">How much will be written, as far as that is known, so that what is short does not take the memory of a whole piece.</param>
internal sealed class GatheringPipeWriter(PipeWriter inner, long expected = long.MaxValue) : PipeWriter
{
    private const int MaxPieceLength = 256 << 10;

    private readonly int _pieceLength = (int)Math.Min(expected, MaxPieceLength);
    private Memory<byte> _piece;
    private int _used;
    private bool _hasFull; // whether there are pieces before this one that were not flushed

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _used;

    /// <summary>Room for at least as much as is asked for; what was in the piece before goes on first when that does not fit.</summary>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_piece.Length - _used < Math.Max(sizeHint, 1))
        {
            PassOn();
            _piece = inner.GetMemory(Math.Max(sizeHint, _pieceLength));
        }

        return _piece[_used..];
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, _piece.Length - _used);
        _used += bytes;
    }

    public override async ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Memory<byte> free = GetMemory();
            int count = Math.Min(free.Length, source.Length);
            source[..count].CopyTo(free);
            Advance(count);
            source = source[count..];
            FlushResult result = await FlushAsync(cancellationToken).ConfigureAwait(false);
            if (source.IsEmpty || result.IsCompleted || result.IsCanceled)
            {
                return result;
            }
        }
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return _hasFull || (_used > 0 && _used == _piece.Length) ? FinishAsync(cancellationToken) : default;
    }

    /// <summary>Passes on everything.</summary>
    public ValueTask<FlushResult> FinishAsync(CancellationToken cancellationToken)
    {
        PassOn();
        _hasFull = false;
        return inner.FlushAsync(cancellationToken);
    }

    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    public override void Complete(Exception? exception = null)
    {
        // The other pipe is for whoever made it to complete.
    }

    private void PassOn()
    {
        if (_used > 0)
        {
            inner.Advance(_used);
            _hasFull = true;
        }

        _piece = default;
        _used = 0;
    }
}
