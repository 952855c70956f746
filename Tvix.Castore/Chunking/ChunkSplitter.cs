using System.Buffers;

namespace Tvix.Castore.Chunking;

/// <summary>Cuts data that arrives in pieces of any size into chunks. The places do not depend on the pieces.</summary>
/// <remarks>
/// <code>
/// while (splitter.TryNext(ref piece, out chunk)) { use chunk }     // for every piece
/// while (splitter.TryFinish(out chunk)) { use chunk }              // at the end
/// </code>
/// Chunks are cut where they are; one that does not end in its piece is put together in a pooled buffer of up to <see cref="ChunkingParameters.MaxSize"/> bytes, which goes back
/// when the splitter is disposed. The first chunk is cut when so many bytes are there, so that shorter content can be taken whole. Not safe for concurrent use.
/// </remarks>
internal sealed class ChunkSplitter(ChunkingParameters parameters) : IDisposable
{
    /// <summary>How much is searched at once, at least, and taken into the buffer at once: in little bits the search is slow, and what is taken from behind the cut was copied for nothing.</summary>
    private readonly int _step = Math.Min(64 << 10, parameters.MaxSize);

    private byte[] _buffer = [];
    private int _start;
    private int _count;
    private int _searched; // how much of what is buffered holds no cut
    private bool _begun; // a first chunk was cut
    private bool _gaveBuffered; // the chunk given last lies in the buffer

    /// <summary>How many bytes were taken and not yet given back as part of a chunk.</summary>
    public int BufferedLength => _count;

    /// <summary>Takes bytes from <paramref name="input"/> until a chunk is complete.</summary>
    /// <param name="input">The next piece; moved past what was taken. Empty when the answer is <see langword="false"/>.</param>
    /// <param name="chunk">The chunk. Either it lies in the memory of the input, or it is valid until the next call, unless <see cref="DetachBuffer"/> comes before that.</param>
    /// <returns>Whether there is a chunk; if not, more input is needed.</returns>
    public bool TryNext(ref ReadOnlyMemory<byte> input, out ReadOnlyMemory<byte> chunk)
    {
        if (_count == 0)
        {
            if (input.Length >= _step && Find(input.Span) is > 0 and int length)
            {
                chunk = input[..length];
                input = input[length..];
                _gaveBuffered = false;
                return true;
            }

            Append(input.Span);
            input = default;
            chunk = default;
            return false;
        }

        ReadOnlyMemory<byte> piece = input;
        while (true)
        {
            if ((_count - _searched >= _step || _count == parameters.MaxSize) && Find(_buffer.AsSpan(_start, _count)) is > 0 and int length)
            {
                chunk = TakeBuffered(length);
                if (_count <= piece.Length - input.Length)
                {
                    // What is left in the buffer is from this piece; give it back, so that the next chunk can be cut in place.
                    input = piece[^(input.Length + _count)..];
                    _start = _count = 0;
                }

                return true;
            }

            if (input.IsEmpty)
            {
                chunk = default;
                return false;
            }

            int room = _begun ? Math.Min(_searched + _step, parameters.MaxSize) : parameters.MaxSize;
            int taken = Math.Min(input.Length, room - _count);
            Append(input.Span[..taken]);
            input = input[taken..];
        }
    }

    /// <summary>
    /// Cuts what is left after the last piece; to be called until it answers <see langword="false"/>. Then a new blob may begin.
    /// </summary>
    /// <param name="chunk">The chunk, valid until the next call.</param>
    public bool TryFinish(out ReadOnlyMemory<byte> chunk)
    {
        int cut = FastCdc.Search(_buffer.AsSpan(_start, _count), parameters, ref _searched);
        chunk = TakeBuffered(cut < 0 ? _count : cut);
        _begun &= !chunk.IsEmpty;
        return !chunk.IsEmpty;
    }

    /// <summary>Everything that is buffered, uncut: for content that turned out to be shorter than one window.</summary>
    public ReadOnlyMemory<byte> TakeRest() => TakeBuffered(_count);

    /// <summary>
    /// Gives away the array that holds the chunk given last, which then stays valid; the caller returns it to the shared pool. <see langword="null"/> when the chunk lies in the input.
    /// </summary>
    public byte[]? DetachBuffer()
    {
        if (!_gaveBuffered)
        {
            return null;
        }

        byte[] detached = _buffer;
        ReadOnlySpan<byte> rest = detached.AsSpan(_start, _count);
        _gaveBuffered = false;
        _buffer = [];
        _start = _count = 0;
        Append(rest);
        return detached;
    }

    /// <summary>The length of the chunk that some data begins with; 0 when that takes more data.</summary>
    private int Find(ReadOnlySpan<byte> window)
    {
        bool isFull = window.Length >= parameters.MaxSize;
        if (!_begun && !isFull)
        {
            return 0;
        }

        int cut = FastCdc.Search(window, parameters, ref _searched);
        if (cut < 0 && !isFull)
        {
            return 0;
        }

        _begun = true;
        _searched = 0;
        return cut < 0 ? parameters.MaxSize : cut;
    }

    private ReadOnlyMemory<byte> TakeBuffered(int length)
    {
        ReadOnlyMemory<byte> chunk = _buffer.AsMemory(_start, length);
        _count -= length;
        _start = _count == 0 ? 0 : _start + length;
        _searched = 0;
        _gaveBuffered = true;
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
