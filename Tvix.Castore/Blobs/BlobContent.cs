using System.Buffers;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>The bytes of a blob in pooled memory, until disposed.</summary>
public sealed class BlobContent : IMemoryOwner<byte>
{
    private readonly SharedArray? _shared;
    private readonly int _start;
    private readonly int _length;
    private byte[]? _array;

    private BlobContent(byte[] array, int start, int length, SharedArray? shared = null)
    {
        _array = array;
        _start = start;
        _length = length;
        _shared = shared;
    }

    /// <summary>The bytes of the blob, exactly.</summary>
    /// <exception cref="ObjectDisposedException">The content was disposed.</exception>
    public Memory<byte> Memory => new(_array ?? throw new ObjectDisposedException(nameof(BlobContent)), _start, _length);

    /// <summary>Rents memory for a blob of <paramref name="length"/> bytes; the caller fills it.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    public static BlobContent Rent(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        return new BlobContent(ArrayPool<byte>.Shared.Rent(length), 0, length);
    }

    /// <summary>Takes over an array of the shared pool whose first bytes are a blob.</summary>
    internal static BlobContent OfRented(byte[] array, int length) => new(array, 0, length);

    /// <summary>Takes a part in an array that holds several blobs.</summary>
    internal static BlobContent OfShared(SharedArray shared, int start, int length)
    {
        shared.Retain();
        return new BlobContent(shared.Array, start, length, shared);
    }

    /// <summary>Gives the memory back. Disposing again does nothing.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _array, null) is not { } array)
        {
            return;
        }

        if (_shared is not null)
        {
            _shared.Release();
        }
        else
        {
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    /// <summary>Gives back what a call has got that cannot get the rest.</summary>
    internal static void DisposeAll(Span<BlobContent?> contents)
    {
        foreach (BlobContent? content in contents)
        {
            content?.Dispose();
        }

        contents.Clear();
    }

    /// <summary>Checks the arguments of <see cref="IBlobService.ReadManyAsync"/> and empties the places of the answers.</summary>
    internal static void Prepare(IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents)
    {
        CheckMany(blobs, contents.Length);
        contents.Span[..blobs.Count].Clear();
    }

    /// <summary>Checks what is asked of a call that reads many blobs.</summary>
    internal static void CheckMany(IReadOnlyList<BlobChunk> blobs, int room)
    {
        ArgumentNullException.ThrowIfNull(blobs);
        ArgumentOutOfRangeException.ThrowIfLessThan(room, blobs.Count);
        for (int i = 0; i < blobs.Count; i++)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(blobs[i].Size, (ulong)Array.MaxLength, nameof(blobs));
        }
    }

    /// <summary>Reads blobs one by one: what <see cref="IBlobService.ReadManyAsync"/> does unless a backend knows better.</summary>
    internal static async ValueTask ReadManyAsync(
        IBlobService service, IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken)
    {
        Prepare(blobs, contents);
        await ReadMissingAsync(service, blobs, contents, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads those blobs one by one whose content is not there yet.</summary>
    internal static async ValueTask ReadMissingAsync(
        IBlobService service, IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken)
    {
        try
        {
            for (int i = 0; i < blobs.Count; i++)
            {
                if (contents.Span[i] is null)
                {
                    BlobContent? content = await service.ReadAsync(blobs[i].Digest, (int)blobs[i].Size, cancellationToken).ConfigureAwait(false);
                    contents.Span[i] = content;
                }
            }
        }
        catch
        {
            DisposeAll(contents.Span[..blobs.Count]);
            throw;
        }
    }

    /// <summary>Reads a blob through its stream: what <see cref="IBlobService.ReadAsync"/> does unless a backend knows better.</summary>
    internal static async ValueTask<BlobContent?> ReadAsync(
        IBlobService service, B3Digest digest, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        Stream? stream = await service.OpenReadAsync(digest, cancellationToken).ConfigureAwait(false);
        if (stream is null)
        {
            return null;
        }

        await using (stream.ConfigureAwait(false))
        {
            if (stream.Length > maxBytes)
            {
                throw new BlobTooLongException(digest, maxBytes, stream.Length);
            }

            BlobContent content = Rent((int)stream.Length);
            try
            {
                int count = await stream.ReadAtLeastAsync(content.Memory, content._length, throwOnEndOfStream: false, cancellationToken)
                    .ConfigureAwait(false);
                if (count < content._length)
                {
                    throw new StorageException(
                        $"Blob {digest} delivers {count} bytes, fewer than its stream's length of {content._length}.");
                }

                // The read that returns 0 is where a backend that checks only the whole tells of damage.
                if (await stream.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false) != 0)
                {
                    throw new StorageException($"Blob {digest} delivers more bytes than its stream's length.");
                }
            }
            catch
            {
                content.Dispose();
                throw;
            }

            return content;
        }
    }
}
