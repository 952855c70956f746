namespace Tvix.Store.BinaryCaches;

/// <summary>Decodes xz, also several streams with padding in between.</summary>
internal sealed class XzDecoder : StreamDecoder
{
    /// <summary>What the decoder may hold. The strongest setting of the xz tool takes 65 MiB.</summary>
    private const ulong MemoryLimit = 256 << 20;

    private readonly LibLzma.Handle _handle;

    /// <exception cref="PlatformNotSupportedException">There is no liblzma.</exception>
    public XzDecoder() => _handle = LibLzma.IsAvailable
        ? LibLzma.NewStreamDecoder(MemoryLimit)
        : throw new PlatformNotSupportedException("Reading xz needs the system's liblzma, which is not on this machine.");

    public override int Decode(ReadOnlySpan<byte> input, bool isLast, Span<byte> output, out int consumed)
    {
        (LibLzma.Result result, int written) = LibLzma.Code(_handle, input, isLast, output, out consumed);
        switch (result)
        {
            case LibLzma.Result.StreamEnd:
                IsFinished = true;
                return written;
            case LibLzma.Result.Ok:
                return written;
            case LibLzma.Result.BufferError when written > 0 || consumed > 0:
                return written;
            case LibLzma.Result.BufferError:
                throw new InvalidDataException("The xz data is incomplete.");
            case LibLzma.Result.MemoryLimit:
                throw new InvalidDataException($"The xz data needs more than {MemoryLimit >> 20} MiB to be decompressed.");
            case LibLzma.Result.MemoryError:
                throw new InsufficientMemoryException("There is not enough memory to decompress xz data.");
            default:
                throw new InvalidDataException($"The xz data is damaged, or is none ({result}).");
        }
    }

    public override void Dispose() => _handle.Dispose();
}
