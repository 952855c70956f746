using System.Buffers;
using System.Collections.Concurrent;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>Keeps blobs in memory, each as a whole, for as long as the service lives. Meant for tests and small caches.</summary>
/// <remarks>
/// A blob is at most <see cref="Array.MaxLength"/> bytes long; a longer one is a <see cref="StorageException"/> while it is written.
/// </remarks>
public sealed class MemoryBlobService : IBlobService
{
    private readonly ConcurrentDictionary<B3Digest, byte[]> _blobs = new();

    /// <inheritdoc/>
    public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(_blobs.ContainsKey(digest));
    }

    /// <inheritdoc/>
    public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(_blobs.TryGetValue(digest, out byte[]? content) ? new MemoryStream(content, writable: false) : null);
    }

    /// <inheritdoc/>
    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(new Writer(this));
    }

    /// <inheritdoc/>
    public ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(Put(content.Span));
    }

    /// <inheritdoc/>
    public ValueTask PutManyAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        ArgumentOutOfRangeException.ThrowIfLessThan(digests.Length, contents.Count);
        cancellationToken.ThrowIfCancellationRequested();
        ReadOnlyMemory<byte>[] sources = [.. contents];
        Span<B3Digest> results = digests.Span[..sources.Length];
        Blake3Hasher.HashMany(sources, results);
        for (int i = 0; i < sources.Length; i++)
        {
            Store(results[i], sources[i].Span);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        cancellationToken.ThrowIfCancellationRequested();
        if (!_blobs.TryGetValue(digest, out byte[]? content))
        {
            return new((BlobContent?)null);
        }

        if (content.Length > maxBytes)
        {
            throw new BlobTooLongException(digest, maxBytes, content.Length);
        }

        BlobContent copy = BlobContent.Rent(content.Length);
        content.CopyTo(copy.Memory);
        return new(copy);
    }

    private B3Digest Put(ReadOnlySpan<byte> content)
    {
        B3Digest digest = Blake3Hasher.HashData(content);
        Store(digest, content);
        return digest;
    }

    private void Store(B3Digest digest, ReadOnlySpan<byte> content)
    {
        if (!_blobs.ContainsKey(digest))
        {
            _blobs.TryAdd(digest, content.ToArray());
        }
    }

    private sealed class Writer(MemoryBlobService service) : BlobWriter
    {
        private const int FirstCapacity = 4096;
        private byte[] _buffer = [];
        private int _length;

        protected override ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            if (buffer.Length > _buffer.Length - _length)
            {
                Grow(buffer.Length);
            }

            buffer.CopyTo(_buffer.AsMemory(_length));
            _length += buffer.Length;
            return ValueTask.CompletedTask;
        }

        protected override ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
        {
            B3Digest digest = service.Put(_buffer.AsSpan(0, _length));
            GiveBack();
            return new(digest);
        }

        protected override ValueTask DisposeCoreAsync()
        {
            GiveBack();
            return ValueTask.CompletedTask;
        }

        private void Grow(int count)
        {
            long needed = (long)_length + count;
            if (needed > Array.MaxLength)
            {
                throw new StorageException($"A blob in memory has at most {Array.MaxLength} bytes.");
            }

            long doubled = Math.Clamp(2L * _buffer.Length, FirstCapacity, Array.MaxLength);
            byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Max(needed, doubled));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            ReturnBuffer();
            _buffer = larger;
        }

        private void GiveBack()
        {
            ReturnBuffer();
            _buffer = [];
            _length = 0;
        }

        private void ReturnBuffer()
        {
            if (_buffer.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
            }
        }
    }
}
