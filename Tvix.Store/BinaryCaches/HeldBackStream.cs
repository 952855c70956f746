namespace Tvix.Store.BinaryCaches;

/// <summary>Reads another stream, and the last bytes of it when something else has ended well. Disposing it ends the waiting for that.</summary>
internal sealed class HeldBackStream(Stream inner, long length, Task gate, CancellationTokenSource waiting) : ForwardReadStream
{
    private const int HeldBack = 16;

    private long _position;
    private bool _isOpen = true;

    public override bool CanRead => _isOpen;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(!_isOpen, this);
        long free = length - HeldBack - _position;
        if (free <= 0)
        {
            try
            {
                await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new IOException($"The NAR cannot be had: {e.Message}", e);
            }
        }

        int count = await inner.ReadAsync(free > 0 ? buffer[..(int)Math.Min(free, buffer.Length)] : buffer, cancellationToken).ConfigureAwait(false);
        _position += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && _isOpen)
        {
            _isOpen = false;
            waiting.Cancel();
            waiting.Dispose();
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
