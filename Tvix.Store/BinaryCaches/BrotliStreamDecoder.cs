using System.Buffers;
using System.IO.Compression;

namespace Tvix.Store.BinaryCaches;

/// <summary>Decodes Brotli. Unlike the framework's stream, notices what is cut off or comes after the end.</summary>
internal sealed class BrotliStreamDecoder : StreamDecoder
{
    private BrotliDecoder _decoder;
    private bool _atEnd;

    public override int Decode(ReadOnlySpan<byte> input, bool isLast, Span<byte> output, out int consumed)
    {
        consumed = 0;
        if (_atEnd)
        {
            IsFinished = isLast && input.IsEmpty ? true : throw new InvalidDataException("There is something after the Brotli data.");
            return 0;
        }

        OperationStatus status = _decoder.Decompress(input, output, out consumed, out int written);
        switch (status)
        {
            case OperationStatus.Done:
                _atEnd = true;
                return written;
            case OperationStatus.InvalidData:
                throw new InvalidDataException("The Brotli data is damaged, or is none.");
            case OperationStatus.NeedMoreData when isLast && written == 0 && consumed == 0:
                throw new InvalidDataException("The Brotli data is incomplete.");
            default:
                return written;
        }
    }

    public override void Dispose() => _decoder.Dispose();
}
