using System.Buffers;

namespace Tvix.Castore.Chunking;

/// <summary>Cuts data that arrives in pieces of any size into chunks. The places do not depend on the pieces.</summary>
/// <remarks>
/// <code>
/// while (splitter.TryNext(ref piece, out chunk)) { use chunk }     // for every piece
/// while (splitter.TryFinish(out chunk)) { use chunk }              // at the end
/// </code>
/// Holds at most one pooled buffer of <see cref="ChunkingParameters.MaxSize"/> bytes, which goes back when the splitter is disposed; while the pieces are large,
/// chunks are cut where they are, without copying. Not safe for concurrent use.
/// </remarks>
internal sealed class ChunkSplitter(ChunkingParameters parameters) : IDisposable
{
    private byte[] _buffer = [];
    private int _start;
    private int _count;

    /// <summary>How many bytes were taken and not yet given back as part of a chunk.</summary>
    public int BufferedLength => _count;

    /// <summary>Takes bytes from <paramref name="input"/> until a chunk is complete.</summary>
    /// <param name="input">The next piece; moved past what was taken. Empty when the answer is <see langword="false"/>.</param>
    /// <param name="chunk">The chunk, valid until the next call; it may lie in the memory of the input.</param>
    /// <returns>Whether there is a chunk; if not, more input is needed.</returns>
    public bool TryNext(ref ReadOnlyMemory<byte> input, out ReadOnlyMemory<byte> chunk)
    {
        int max = parameters.MaxSize;
        if (_count == 0 && input.Length >= max)
        {
            int length = FastCdc.Cut(input.Span, parameters);
            chunk = input[..length];
            input = input[length..];
            return true;
        }

        int before = _count;
        int taken = Math.Min(max - before, input.Length);
        Append(input.Span[..taken]);
        if (_count < max)
        {
            input = default;
            chunk = default;
            return false;
        }

        chunk = TakeBuffered();
        if (chunk.Length >= before)
        {
            // What is left in the buffer is from this piece; give it back, so that the next chunk can be cut in place.
            taken -= _count;
            _start = _count = 0;
        }

        input = input[taken..];
        return true;
    }

    /// <summary>
    /// Cuts what is left after the last piece; to be called until it answers <see langword="false"/>. Then a new blob may begin.
    /// </summary>
    /// <param name="chunk">The chunk, valid until the next call.</param>
    public bool TryFinish(out ReadOnlyMemory<byte> chunk)
    {
        chunk = _count == 0 ? default : TakeBuffered();
        return !chunk.IsEmpty;
    }

    /// <summary>Everything that is buffered, uncut: for content that turned out to be shorter than one window.</summary>
    public ReadOnlyMemory<byte> TakeRest()
    {
        ReadOnlyMemory<byte> rest = _buffer.AsMemory(_start, _count);
        _start = _count = 0;
        return rest;
    }

    private ReadOnlyMemory<byte> TakeBuffered()
    {
        int length = FastCdc.Cut(_buffer.AsSpan(_start, _count), parameters);
        ReadOnlyMemory<byte> chunk = _buffer.AsMemory(_start, length);
        _count -= length;
        _start = _count == 0 ? 0 : _start + length;
        return chunk;
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        int needed = _count + bytes.Length;
        if (needed > _buffer.Length)
        {
            // Grows by doubling: a small blob must not cost a whole buffer.
            byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Min((uint)parameters.MaxSize, Math.Max(4096, (uint)needed * 2)));
            _buffer.AsSpan(_start, _count).CopyTo(larger);
            Return();
            _buffer = larger;
            _start = 0;
        }
        else if (_start + needed > _buffer.Length)
        {
            _buffer.AsSpan(_start, _count).CopyTo(_buffer);
            _start = 0;
        }

        bytes.CopyTo(_buffer.AsSpan(_start + _count));
        _count = needed;
    }

    private void Return()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }

    /// <summary>Gives the buffer back; no chunk that was given out may be used any more.</summary>
    public void Dispose()
    {
        Return();
        _start = _count = 0;
    }
}
