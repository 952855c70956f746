using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>
/// The NAR of a tree as a read-only stream with random access, so that a part of it can be served without making the rest. Spec:
/// nix-formats §4.11.
/// </summary>
/// <remarks>
/// <para>Everything but the contents of files is in memory; blobs are opened when they are read. Reading is asynchronous only, as blobs
/// are.</para>
/// <para>Not safe for concurrent use.</para>
/// </remarks>
public sealed class SeekableNarStream : Stream
{
    /// <summary>How much of a NAR may be in memory, in bytes, unless <see cref="OpenAsync"/> is told otherwise.</summary>
    public const int DefaultMaxMemory = 512 << 20;

    private readonly IBlobService _blobs;
    private readonly byte[] _literals;
    private readonly List<Segment> _segments;
    private readonly byte[] _probe = new byte[1];

    private long _position;
    private Stream? _blob;
    private int _blobSegment = -1;
    private bool _disposed;

    private SeekableNarStream(IBlobService blobs, byte[] literals, List<Segment> segments, long length)
    {
        _blobs = blobs;
        _literals = literals;
        _segments = segments;
        Length = length;
    }

    /// <summary>The contents of a file within the NAR. What is between two of them is literal.</summary>
    /// <param name="Start">Where the contents start in the NAR.</param>
    /// <param name="LiteralsBefore">How many literal bytes are before that.</param>
    /// <param name="Length">The length of the contents, more than 0.</param>
    /// <param name="Digest">The blob.</param>
    private readonly record struct Segment(long Start, int LiteralsBefore, long Length, B3Digest Digest)
    {
        public long End => Start + Length;
    }

    /// <summary>Whether the stream is open.</summary>
    public override bool CanRead => !_disposed;

    /// <summary>Whether the stream is open.</summary>
    public override bool CanSeek => !_disposed;

    /// <summary>Always <see langword="false"/>.</summary>
    public override bool CanWrite => false;

    /// <summary>The length of the NAR in bytes.</summary>
    public override long Length { get; }

    /// <summary>The position in the NAR, from 0 to <see cref="Length"/>. A position past the end becomes the end.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            Seek(value, SeekOrigin.Begin);
        }
    }

    /// <summary>Opens the NAR of a tree at its start. All directories are fetched; no blob is.</summary>
    /// <param name="root">The root of the tree.</param>
    /// <param name="blobs">Where the blobs are.</param>
    /// <param name="directories">Where the directories are.</param>
    /// <param name="maxMemory">How long the NAR without its files' contents may be, in bytes.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="StorageException">A directory is missing, or could not be read.</exception>
    /// <exception cref="InvalidOperationException">The NAR needs more than <paramref name="maxMemory"/>.</exception>
    /// <exception cref="OverflowException">The NAR would be longer than 2^63 − 1 bytes.</exception>
    public static async ValueTask<SeekableNarStream> OpenAsync(
        Node root,
        IBlobService blobs,
        IDirectoryService directories,
        int maxMemory = DefaultMaxMemory,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(blobs);
        ArgumentNullException.ThrowIfNull(directories);
        ArgumentOutOfRangeException.ThrowIfNegative(maxMemory);
        MemoryPipeWriter literals = new(keep: true, maxMemory);
        Visitor visitor = new(literals);
        ulong length = await NarSkeleton.WriteAsync(root, directories, literals, visitor, cancellationToken).ConfigureAwait(false);
        visitor.Segments.TrimExcess();
        return new SeekableNarStream(blobs, literals.ToArray(), visitor.Segments, checked((long)length));
    }

    /// <inheritdoc/>
    /// <exception cref="StorageException">A blob is missing, has another length than recorded, or could not be read.</exception>
    /// <exception cref="DigestMismatchException">
    /// The stored bytes are damaged. For some backends that is found only at the end of a blob.
    /// </exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        int read = 0;
        while (read < buffer.Length && _position < Length)
        {
            // The first file whose contents end behind the position: the position is in them, or in the literal before them.
            int index = FindSegment(_position);
            long start = index < _segments.Count ? _segments[index].Start : Length;
            int count = _position < start
                ? CopyLiteral(index, start, buffer.Span[read..])
                : await ReadBlobAsync(index, buffer[read..], cancellationToken).ConfigureAwait(false);
            _position += count;
            read += count;
        }

        return read;
    }

    /// <inheritdoc cref="ReadAsync(Memory{byte}, CancellationToken)"/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <summary>Not supported: blobs are read asynchronously.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Use ReadAsync.");

    /// <summary>Sets the position; one past the end becomes the end.</summary>
    /// <exception cref="IOException">The position would be negative.</exception>
    public override long Seek(long offset, SeekOrigin origin)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        long from = origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => _position,
            SeekOrigin.End => Length,
            _ => throw new ArgumentOutOfRangeException(nameof(origin), origin, null),
        };
        if (offset < -from)
        {
            throw new IOException("The position would be before the start of the NAR.");
        }

        _position = offset > Length - from ? Length : from + offset;
        return _position;
    }

    /// <summary>Does nothing.</summary>
    public override void Flush()
    {
    }

    /// <summary>Not supported.</summary>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            await CloseBlobAsync().ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _disposed = true;
            _blob?.Dispose();
            _blob = null;
        }

        base.Dispose(disposing);
    }

    private int FindSegment(long position)
    {
        // Reading goes on where it was, mostly.
        if (_blobSegment >= 0 && position >= _segments[_blobSegment].Start && position < _segments[_blobSegment].End)
        {
            return _blobSegment;
        }

        int low = 0;
        int high = _segments.Count;
        while (low < high)
        {
            int middle = (int)(((uint)low + (uint)high) >> 1);
            if (_segments[middle].End <= position)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private int CopyLiteral(int index, long end, Span<byte> destination)
    {
        int literalsBefore = index < _segments.Count ? _segments[index].LiteralsBefore : _literals.Length;
        int count = (int)Math.Min(end - _position, destination.Length);
        _literals.AsSpan(literalsBefore - (int)(end - _position), count).CopyTo(destination);
        return count;
    }

    private async ValueTask<int> ReadBlobAsync(int index, Memory<byte> destination, CancellationToken cancellationToken)
    {
        Segment segment = _segments[index];
        Stream blob = await OpenBlobAsync(index, segment, cancellationToken).ConfigureAwait(false);
        long offset = _position - segment.Start;
        if (blob.Position != offset)
        {
            blob.Seek(offset, SeekOrigin.Begin);
        }

        int count = (int)Math.Min(destination.Length, segment.Length - offset);
        count = await blob.ReadAsync(destination[..count], cancellationToken).ConfigureAwait(false);
        if (count == 0)
        {
            throw WrongLength(segment);
        }

        // The read that returns 0 is where a backend that checks only the whole tells of damage.
        if (offset + count == segment.Length)
        {
            int surplus = await blob.ReadAsync(_probe, cancellationToken).ConfigureAwait(false);
            await CloseBlobAsync().ConfigureAwait(false);
            if (surplus != 0)
            {
                throw WrongLength(segment);
            }
        }

        return count;
    }

    private async ValueTask<Stream> OpenBlobAsync(int index, Segment segment, CancellationToken cancellationToken)
    {
        if (_blobSegment == index && _blob is not null)
        {
            return _blob;
        }

        await CloseBlobAsync().ConfigureAwait(false);
        Stream blob = await _blobs.OpenReadAsync(segment.Digest, cancellationToken).ConfigureAwait(false)
            ?? throw new StorageException($"The blob {segment.Digest} of the file at byte {segment.Start} of the NAR is missing.");
        _blob = blob;
        _blobSegment = index;
        return blob.Length == segment.Length ? blob : throw WrongLength(segment);
    }

    private async ValueTask CloseBlobAsync()
    {
        if (_blob is { } blob)
        {
            _blob = null;
            _blobSegment = -1;
            await blob.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static StorageException WrongLength(Segment segment) => new(
        $"The blob {segment.Digest} of the file at byte {segment.Start} of the NAR "
        + $"does not have the {segment.Length} bytes that are recorded for it.");

    private sealed class Visitor(MemoryPipeWriter literals) : NarSkeleton.IVisitor
    {
        public List<Segment> Segments { get; } = [];

        public void OnFile(PathComponent name, Node.File file, ulong contentsOffset)
        {
            if (file.Size > 0)
            {
                Segments.Add(new Segment(checked((long)contentsOffset), literals.Length, checked((long)file.Size), file.Digest));
            }
        }

        public void OnSymlink(PathComponent name, Node.Symlink symlink)
        {
        }

        public void OnDirectory(PathComponent name)
        {
        }

        public void OnEndDirectory()
        {
        }
    }
}
