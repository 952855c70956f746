using System.Buffers;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>The bytes of a blob in pooled memory, until disposed.</summary>
public sealed class BlobContent : IMemoryOwner<byte>
{
    private byte[]? _array;
    private readonly int _length;

    private BlobContent(byte[] array, int length)
    {
        _array = array;
        _length = length;
    }

    /// <summary>The bytes of the blob, exactly.</summary>
    /// <exception cref="ObjectDisposedException">The content was disposed.</exception>
    public Memory<byte> Memory => new(_array ?? throw new ObjectDisposedException(nameof(BlobContent)), 0, _length);

    /// <summary>Rents memory for a blob of <paramref name="length"/> bytes; the caller fills it.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    public static BlobContent Rent(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        return new BlobContent(ArrayPool<byte>.Shared.Rent(length), length);
    }

    /// <summary>Takes over an array of the shared pool whose first bytes are a blob.</summary>
    internal static BlobContent OfRented(byte[] array, int length) => new(array, length);

    /// <summary>Gives the memory back. Disposing again does nothing.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _array, null) is { } array)
        {
            ArrayPool<byte>.Shared.Return(array);
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
                throw TooLong(digest, maxBytes);
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

    internal static InvalidOperationException TooLong(B3Digest digest, int maxBytes) =>
        new($"Blob {digest} is longer than the {maxBytes} bytes that the caller is ready to hold.");
}
