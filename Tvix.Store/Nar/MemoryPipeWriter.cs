using System.IO.Pipelines;

namespace Tvix.Store.Nar;

/// <summary>Gathers what is written in one array, or forgets it.</summary>
/// <param name="keep">Whether to keep what is written.</param>
/// <param name="maxBytes">How much may be gathered; more is an <see cref="InvalidOperationException"/>.</param>
internal sealed class MemoryPipeWriter(bool keep, int maxBytes) : PipeWriter
{
    private byte[] _bytes = new byte[16 * 1024];

    /// <summary>The number of bytes gathered.</summary>
    public int Length { get; private set; }

    /// <summary>What was gathered. Taking it ends the writing.</summary>
    public byte[] ToArray() => _bytes.AsSpan(0, Length).ToArray();

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        int needed = Length + Math.Max(sizeHint, 1);
        if (needed > _bytes.Length)
        {
            Array.Resize(ref _bytes, (int)Math.Min(Array.MaxLength, Math.Max(needed, 2L * _bytes.Length)));
        }

        return _bytes.AsMemory(Length);
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        if (!keep)
        {
            return;
        }

        if (Length + bytes > maxBytes)
        {
            throw new InvalidOperationException($"The NAR without its files' contents is longer than {maxBytes} bytes.");
        }

        Length += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => default;

    public override void CancelPendingFlush()
    {
    }

    public override void Complete(Exception? exception = null)
    {
    }
}
