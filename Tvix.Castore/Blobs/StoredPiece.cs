using System.Buffers;

namespace Tvix.Castore.Blobs;

/// <summary>A blob or chunk the way a store keeps it, in memory that is given back when this is disposed.</summary>
public sealed class StoredPiece : IDisposable
{
    private IMemoryOwner<byte>? _owner;
    private readonly ReadOnlyMemory<byte> _memory;

    /// <summary>Makes a piece.</summary>
    /// <param name="owner">Whose memory it is; disposed with the piece.</param>
    /// <param name="memory">The bytes that are kept.</param>
    /// <param name="size">The length of the blob in bytes.</param>
    /// <param name="isZstdFrame">Whether what is kept is the blob as exactly one zstd frame, rather than its bytes.</param>
    /// <exception cref="ArgumentException">It is not a frame, and has another length than the blob.</exception>
    public StoredPiece(IMemoryOwner<byte> owner, ReadOnlyMemory<byte> memory, int size, bool isZstdFrame)
    {
        ArgumentNullException.ThrowIfNull(owner);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        if (!isZstdFrame && memory.Length != size)
        {
            throw new ArgumentException("What is kept uncompressed is as long as the blob.", nameof(memory));
        }

        _owner = owner;
        _memory = memory;
        Size = size;
        IsZstdFrame = isZstdFrame;
    }

    /// <summary>Takes over a blob's own bytes.</summary>
    /// <param name="content">The bytes; disposed with the piece.</param>
    public StoredPiece(BlobContent content)
    {
        ArgumentNullException.ThrowIfNull(content);
        _owner = content;
        _memory = content.Memory;
        Size = _memory.Length;
    }

    /// <summary>The bytes that are kept: the blob's own, or a zstd frame of them.</summary>
    /// <exception cref="ObjectDisposedException">The piece was disposed.</exception>
    public ReadOnlyMemory<byte> Memory => _owner is not null ? _memory : throw new ObjectDisposedException(nameof(StoredPiece));

    /// <summary>The length of the blob in bytes.</summary>
    public int Size { get; }

    /// <summary>Whether <see cref="Memory"/> is exactly one zstd frame, which holds <see cref="Size"/> bytes.</summary>
    public bool IsZstdFrame { get; }

    /// <summary>Gives the memory back. Disposing again does nothing.</summary>
    public void Dispose() => Interlocked.Exchange(ref _owner, null)?.Dispose();

    /// <summary>Gives back what a call has got that cannot get the rest.</summary>
    internal static void DisposeAll(Span<StoredPiece?> pieces)
    {
        foreach (StoredPiece? piece in pieces)
        {
            piece?.Dispose();
        }

        pieces.Clear();
    }

    /// <summary>Checks the arguments of <see cref="IStoredPieceSource.ReadStoredManyAsync"/> and empties the places of the answers.</summary>
    internal static void Prepare(IReadOnlyList<BlobChunk> blobs, Memory<StoredPiece?> pieces)
    {
        BlobContent.CheckMany(blobs, pieces.Length);
        pieces.Span[..blobs.Count].Clear();
    }
}
