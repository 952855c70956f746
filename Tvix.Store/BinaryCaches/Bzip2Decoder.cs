namespace Tvix.Store.BinaryCaches;

/// <summary>Decodes bzip2, also several streams one after the other.</summary>
internal sealed class Bzip2Decoder : StreamDecoder
{
    private readonly LibBzip2.Handle _handle;
    private bool _betweenStreams;

    /// <exception cref="PlatformNotSupportedException">There is no libbz2.</exception>
    public Bzip2Decoder() => _handle = LibBzip2.IsAvailable
        ? LibBzip2.NewDecoder()
        : throw new PlatformNotSupportedException("Reading bzip2 needs the system's libbz2, which is not on this machine.");

    public override int Decode(ReadOnlySpan<byte> input, bool isLast, Span<byte> output, out int consumed)
    {
        consumed = 0;
        if (input.IsEmpty && isLast && _betweenStreams)
        {
            IsFinished = true;
            return 0;
        }

        if (_betweenStreams)
        {
            LibBzip2.Restart(_handle);
            _betweenStreams = false;
        }

        (LibBzip2.Result result, int written) = LibBzip2.Decompress(_handle, input, output, out consumed);
        switch (result)
        {
            case LibBzip2.Result.StreamEnd:
                _betweenStreams = true;
                return written;
            case LibBzip2.Result.Ok when written == 0 && consumed == 0 && isLast:
                throw new InvalidDataException("The bzip2 data is incomplete.");
            case LibBzip2.Result.Ok:
                return written;
            case LibBzip2.Result.MemoryError:
                throw new InsufficientMemoryException("There is not enough memory to decompress bzip2 data.");
            default:
                throw new InvalidDataException($"The bzip2 data is damaged, or is none ({result}).");
        }
    }

    public override void Dispose() => _handle.Dispose();
}
