using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>
/// Reads a blob that is stored in pieces: a seekable, read-only, asynchronous stream over the chunks, fetched as they are needed.
/// </summary>
/// <remarks>
/// <para>A chunk is held to its digest and its size before any of its bytes is handed out, whatever its source has checked. Memory is
/// bounded by four chunks: the one being read and, while the reading goes straight on, the next three, which are fetched meanwhile.</para>
/// <para>Synchronous reads throw <see cref="NotSupportedException"/>: fetching is asynchronous, and blocking on it would invite deadlocks.
/// Seeking beyond the end is fine, and reads there give nothing. Not safe for concurrent use.</para>
/// <para>A read throws <see cref="StorageException"/> when a chunk is missing, too large or not of the size that the list says, and
/// <see cref="DigestMismatchException"/> when its bytes are damaged.</para>
/// </remarks>
public sealed class ChunkedBlobStream : Stream
{
    /// <summary>
    /// The largest chunk that is read by default, in bytes: four times the largest that content-defined chunking may produce.
    /// </summary>
    public const int DefaultMaxChunkBytes = 64 << 20;

    private const int ChunksAhead = 3;

    private readonly ChunkReadAhead? _shared;
    private readonly B3Digest? _whole;
    private Blake3Hasher? _wholeHasher; // as long as the chunks are read one after another from the first
    private int _hashedChunks;
    private DigestMismatchException? _damage;
    private int _window; // how many chunks to have ahead
    private readonly IBlobService _source;
    private readonly BlobChunk[] _chunks;
    private readonly long[] _offsets; // where each chunk starts, and at the end the length
    private readonly int _maxChunkBytes;
    private readonly bool _sourceVerifies;
    private CancellationTokenSource _disposal = new();

    private long _position;
    private int _currentIndex = -1;
    private BlobContent? _current;
    private readonly Queue<(int Index, Task<BlobContent> Content)> _ahead = new(); // consecutive chunks
    private bool _disposed;

    /// <summary>Makes a stream over chunks; none of them is fetched yet.</summary>
    /// <param name="source">Where the chunks are read from; it stays the caller's.</param>
    /// <param name="chunks">The pieces of the blob in order; at least one.</param>
    /// <param name="maxChunkBytes">The largest chunk to hold in memory; reading a larger one is a <see cref="StorageException"/>.</param>
    /// <exception cref="ArgumentException"><paramref name="chunks"/> is empty.</exception>
    /// <exception cref="StorageException">The sizes add up to more than a stream can have.</exception>
    public ChunkedBlobStream(IBlobService source, IReadOnlyList<BlobChunk> chunks, int maxChunkBytes = DefaultMaxChunkBytes)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(chunks);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxChunkBytes);
        if (chunks.Count == 0)
        {
            throw new ArgumentException("A blob in chunks has at least one.", nameof(chunks));
        }

        _source = source;
        _chunks = [.. chunks.Where(static chunk => chunk.Size > 0)]; // the others give nothing to read, and nothing is fetched for them
        _maxChunkBytes = maxChunkBytes;
        _offsets = new long[_chunks.Length + 1];
        for (int i = 0; i < _chunks.Length; i++)
        {
            if (_chunks[i].Size > (ulong)(long.MaxValue - _offsets[i]))
            {
                throw new StorageException("The chunks of a blob are longer together than a stream can be.");
            }

            _offsets[i + 1] = _offsets[i] + (long)_chunks[i].Size;
        }
    }

    /// <summary>As the public one, for a source of ours that has checked what its <see cref="IBlobService.ReadAsync"/> returns.</summary>
    internal static ChunkedBlobStream OverVerified(IBlobService source, IReadOnlyList<BlobChunk> chunks) => new(source, chunks, true);

    /// <summary>
    /// As <see cref="OverVerified"/>, for a source that is far away and not trusted with the list: reads ahead within what all streams of
    /// the source share, and checks the digest of the whole as well if it is read from the start, before the last chunk is handed out.
    /// </summary>
    internal static ChunkedBlobStream OverRemote(IBlobService source, B3Digest digest, IReadOnlyList<BlobChunk> chunks, int maxChunkBytes, ChunkReadAhead ahead) =>
        new(source, chunks, true, maxChunkBytes, digest, ahead);

    /// <summary>As the public one, which checks the digest of the whole as well if it is read from the start, before the last chunk is handed
    /// out.</summary>
    internal static ChunkedBlobStream OfWhole(IBlobService source, B3Digest digest, IReadOnlyList<BlobChunk> chunks) =>
        new(source, chunks, false, whole: digest);

    /// <exception cref="DigestMismatchException">There is nothing to read, and the whole is not the empty blob.</exception>
    private ChunkedBlobStream(
        IBlobService source,
        IReadOnlyList<BlobChunk> chunks,
        bool sourceVerifies,
        int maxChunkBytes = DefaultMaxChunkBytes,
        B3Digest? whole = null,
        ChunkReadAhead? ahead = null)
        : this(source, chunks, maxChunkBytes)
    {
        _sourceVerifies = sourceVerifies;
        _whole = whole;
        _wholeHasher = whole is null ? null : new Blake3Hasher();
        _shared = ahead;
        if (_chunks.Length == 0 && whole is { } expected)
        {
            ThrowUnlessWhole(expected, Blake3Hasher.HashData([]));
        }
    }

    /// <inheritdoc/>
    public override bool CanRead => !_disposed;

    /// <inheritdoc/>
    public override bool CanSeek => !_disposed;

    /// <summary>Never.</summary>
    public override bool CanWrite => false;

    /// <summary>The length of the blob in bytes: that of all chunks together.</summary>
    public override long Length
    {
        get
        {
            ThrowIfDisposed();
            return _offsets[^1];
        }
    }

    /// <inheritdoc/>
    public override long Position
    {
        get
        {
            ThrowIfDisposed();
            return _position;
        }

        set
        {
            ThrowIfDisposed();
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    /// <summary>Moves to another place; nothing is fetched before the next read. Places beyond the end are fine.</summary>
    /// <exception cref="IOException">The place is before the start, or further than a stream can be.</exception>
    public override long Seek(long offset, SeekOrigin origin)
    {
        ThrowIfDisposed();
        long start = origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => _position,
            SeekOrigin.End => _offsets[^1],
            _ => throw new ArgumentException("There is no such origin.", nameof(origin)),
        };
        // The start is not negative, so a sum out of range wraps around to a negative number.
        long target = unchecked(start + offset);
        return target >= 0 ? _position = target : throw new IOException("Cannot seek to before the start of the blob.");
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        cancellationToken.ThrowIfCancellationRequested();
        if (buffer.IsEmpty || _position >= _offsets[^1])
        {
            return 0;
        }

        ReadOnlyMemory<byte> available = await LoadAsync(cancellationToken).ConfigureAwait(false);
        int count = Math.Min(available.Length, buffer.Length);
        available[..count].CopyTo(buffer);
        _position += count;
        return count;
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <inheritdoc/>
    public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
    {
        ValidateCopyToArguments(destination, bufferSize);
        ThrowIfDisposed();
        cancellationToken.ThrowIfCancellationRequested();
        while (_position < _offsets[^1])
        {
            ReadOnlyMemory<byte> available = await LoadAsync(cancellationToken).ConfigureAwait(false);
            await destination.WriteAsync(available, cancellationToken).ConfigureAwait(false);
            _position += available.Length;
        }
    }

    /// <summary>Not supported: chunks are fetched asynchronously.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override int Read(byte[] buffer, int offset, int count)
    {
        ThrowIfDisposed();
        throw new NotSupportedException("Use ReadAsync.");
    }

    /// <summary>Not supported.</summary>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Does nothing.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            _current?.Dispose();
            _disposal.Cancel();
            DropAhead();
            _disposal.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>The chunk that holds a place; -1 at and beyond the end.</summary>
    internal int FindChunk(long position)
    {
        if (position < 0 || position >= _offsets[^1])
        {
            return -1;
        }

        int low = 0;
        int high = _chunks.Length;
        while (high - low > 1)
        {
            int middle = (low + high) >>> 1;
            if (_offsets[middle] <= position)
            {
                low = middle;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <summary>The verified bytes from the position to the end of its chunk; the position is before the end of the blob.</summary>
    private async ValueTask<ReadOnlyMemory<byte>> LoadAsync(CancellationToken cancellationToken)
    {
        if (_damage is not null)
        {
            throw _damage;
        }

        int index = FindChunk(_position);
        if (index != _currentIndex)
        {
            bool straightOn = index == _currentIndex + 1;
            _current?.Dispose();
            _current = null;
            _currentIndex = -1;
            BlobContent content = await TakeAsync(index, cancellationToken).ConfigureAwait(false);
            CheckWhole(index, content);
            _current = content;
            _currentIndex = index;
            FetchAhead(index, straightOn);
        }

        return _current!.Memory[(int)(_position - _offsets[index])..];
    }

    private void FetchAhead(int index, bool straightOn)
    {
        if (_shared is null)
        {
            _window = straightOn ? ChunksAhead : 0;
        }
        else
        {
            // Who looks into a blob here and there wants no more than that; who goes straight on wants ever more.
            _window = straightOn ? Math.Clamp(2 * _window, Math.Min(2, _shared.MaxChunks), _shared.MaxChunks) : 0;
        }

        for (int next = index + 1 + _ahead.Count; next < _chunks.Length && _ahead.Count < _window; next++)
        {
            if (_shared is not null && !_shared.TryTake(_chunks[next].Size))
            {
                break;
            }

            _ahead.Enqueue((next, FetchAheadAsync(_chunks[next], _disposal.Token)));
        }
    }

    /// <summary>Hashes the chunk as the next part of the whole, if it is that, and throws when the whole is not what it should
    /// be.</summary>
    private void CheckWhole(int index, BlobContent content)
    {
        if (_wholeHasher is null)
        {
            return;
        }

        if (index != _hashedChunks)
        {
            _wholeHasher = index < _hashedChunks ? _wholeHasher : null;
            return;
        }

        _wholeHasher.AppendData(content.Memory.Span);
        _hashedChunks++;
        if (_hashedChunks < _chunks.Length)
        {
            return;
        }

        try
        {
            ThrowUnlessWhole(_whole!.Value, _wholeHasher.GetCurrentDigest());
            _wholeHasher = null;
        }
        catch (DigestMismatchException e)
        {
            content.Dispose();
            _damage = e;
            throw;
        }
    }

    private static void ThrowUnlessWhole(B3Digest expected, B3Digest actual)
    {
        if (actual != expected)
        {
            throw new DigestMismatchException(expected, actual, "put together of the chunks that it is said to consist of");
        }
    }

    /// <summary>The chunk that was fetched ahead if it is the right one, or else a fresh one.</summary>
    private async ValueTask<BlobContent> TakeAsync(int index, CancellationToken cancellationToken)
    {
        if (!_ahead.TryPeek(out (int Index, Task<BlobContent> Content) next) || next.Index != index)
        {
            DropAhead();
            return await FetchAsync(_chunks[index], cancellationToken).ConfigureAwait(false);
        }

        // When the caller gives up waiting, the fetch goes on and serves the next read.
        await ((Task)next.Content).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        Task<BlobContent> fetched = _ahead.Dequeue().Content;
        _shared?.Release(_chunks[index].Size);
        return await fetched.ConfigureAwait(false);
    }

    // On another thread, since a source may do all of its work before it first waits.
    private Task<BlobContent> FetchAheadAsync(BlobChunk chunk, CancellationToken cancellationToken) =>
        Task.Run(() => FetchAsync(chunk, cancellationToken).AsTask(), cancellationToken);

    private async ValueTask<BlobContent> FetchAsync(BlobChunk chunk, CancellationToken cancellationToken)
    {
        if (chunk.Size > (ulong)_maxChunkBytes)
        {
            throw new StorageException($"The chunk {chunk.Digest} has {chunk.Size} bytes, more than the {_maxChunkBytes} allowed.");
        }

        BlobContent? content;
        try
        {
            content = await _source.ReadAsync(chunk.Digest, (int)chunk.Size, cancellationToken).ConfigureAwait(false);
        }
        catch (BlobTooLongException e)
        {
            throw new StorageException(
                $"The chunk {chunk.Digest} is longer than the {chunk.Size} bytes that the blob's list of chunks says.", e);
        }

        if (content is null)
        {
            throw new StorageException($"The chunk {chunk.Digest}, which a blob consists of, is missing.");
        }

        try
        {
            if ((ulong)content.Memory.Length != chunk.Size)
            {
                throw new StorageException(
                    $"The chunk {chunk.Digest} has {content.Memory.Length} bytes, not {chunk.Size} as the blob's list of chunks says.");
            }

            if (_sourceVerifies)
            {
                return content;
            }

            B3Digest actual = Blake3Hasher.HashData(content.Memory.Span);
            return actual == chunk.Digest ? content : throw new DigestMismatchException(chunk.Digest, actual, "as a chunk of a blob");
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    /// <summary>Lets go of what was fetched ahead, whenever it arrives; its failure no longer concerns anybody.</summary>
    private void DropAhead()
    {
        if (_shared is not null && _ahead.Count > 0)
        {
            // What is on its way from afar is not worth waiting for.
            _disposal.Cancel();
            _disposal.Dispose();
            _disposal = new CancellationTokenSource();
        }

        while (_ahead.TryDequeue(out (int Index, Task<BlobContent> Content) next))
        {
            ulong size = _chunks[next.Index].Size;
            next.Content.ContinueWith(
                task =>
                {
                    _shared?.Release(size);
                    if (task.IsCompletedSuccessfully)
                    {
                        task.Result.Dispose();
                    }
                    else
                    {
                        _ = task.Exception;
                    }
                },
                CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
        }
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);
}
