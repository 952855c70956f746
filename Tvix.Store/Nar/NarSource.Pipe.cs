using System.Buffers;
using System.IO.Pipelines;

namespace Tvix.Store.Nar;

/// <summary>Reads from a pipe. The window is a segment of the pipe's own memory where that is long enough, else a copy.</summary>
internal sealed class PipeNarSource(PipeReader pipe, PipeWriter? tap) : NarSource(tap)
{
    private byte[]? _scratch;
    private ReadOnlySequence<byte> _held; // what the pipe gave and was not told to drop yet
    private ReadOnlySequence<byte> _rest; // from the start of the window on
    private int _windowLength;
    private bool _holding;
    private bool _completed;

    public override async ValueTask<bool> EnsureAsync(int count, long available, CancellationToken cancellationToken)
    {
        while (true)
        {
            DropConsumed();
            if (_rest.Length >= count || (_holding && _completed))
            {
                OpenWindow(count);
                return _windowLength >= count;
            }

            await ReleaseAsync(_rest.End, cancellationToken).ConfigureAwait(false);
            ReadResult result = await pipe.ReadAsync(cancellationToken).ConfigureAwait(false);
            _held = _rest = result.Buffer;
            _holding = true;
            _completed = result.IsCompleted;
            if (result.IsCanceled)
            {
                throw new OperationCanceledException("Reading from the pipe was cancelled.");
            }
        }
    }

    public override ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        DropConsumed();
        return ReleaseAsync(_rest.Start, cancellationToken);
    }

    public override async ValueTask DisposeAsync(bool leaveOpen)
    {
        DropConsumed();
        if (_holding)
        {
            _holding = false;
            pipe.AdvanceTo(_rest.Start);
        }

        if (!leaveOpen)
        {
            await pipe.CompleteAsync().ConfigureAwait(false);
        }
    }

    private void DropConsumed()
    {
        _rest = _rest.Slice(_windowLength - Window.Length);
        Window = default;
        _windowLength = 0;
    }

    private void OpenWindow(int count)
    {
        foreach (ReadOnlyMemory<byte> segment in _rest)
        {
            if (!segment.IsEmpty)
            {
                Window = segment;
                break;
            }
        }

        if (Window.Length < count)
        {
            _scratch ??= new byte[MaxWindow];
            int length = (int)Math.Min(_rest.Length, MaxWindow);
            _rest.Slice(0, length).CopyTo(_scratch);
            Window = _scratch.AsMemory(0, length);
        }

        _windowLength = Window.Length;
    }

    private async ValueTask ReleaseAsync(SequencePosition examined, CancellationToken cancellationToken)
    {
        if (!_holding)
        {
            return;
        }

        if (Tap is { } tap)
        {
            foreach (ReadOnlyMemory<byte> consumed in _held.Slice(_held.Start, _rest.Start))
            {
                await tap.WriteAsync(consumed, cancellationToken).ConfigureAwait(false);
            }
        }

        _holding = false;
        pipe.AdvanceTo(_rest.Start, examined);
        _held = _rest = default;
    }
}
