namespace Tvix.Store.BinaryCaches;

/// <summary>Decompresses piece by piece. Used by one caller at a time.</summary>
internal abstract class StreamDecoder : IDisposable
{
    /// <summary>Whether everything was given out: the input was over, and complete.</summary>
    public bool IsFinished { get; protected set; }

    /// <summary>Takes some input and gives some output.</summary>
    /// <param name="input">The input that is at hand.</param>
    /// <param name="isLast">Whether no more will come.</param>
    /// <param name="output">Where to put the output.</param>
    /// <param name="consumed">How much of the input was taken.</param>
    /// <returns>How much output was given. When it is 0 and nothing was taken either, there was not enough input.</returns>
    /// <exception cref="InvalidDataException">The input is damaged, or is over too early.</exception>
    public abstract int Decode(ReadOnlySpan<byte> input, bool isLast, Span<byte> output, out int consumed);

    public abstract void Dispose();
}
