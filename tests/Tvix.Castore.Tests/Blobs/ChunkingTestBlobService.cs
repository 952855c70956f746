using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>A double that keeps blobs in chunks of one size, in memory, and counts what is asked of it.</summary>
internal sealed class ChunkingTestBlobService(int chunkSize) : IBlobService
{
    private readonly MemoryBlobService _pieces = new();
    private readonly Dictionary<B3Digest, IReadOnlyList<BlobChunk>> _blobs = [];
    private readonly Lock _lock = new();

    public List<string> Calls { get; } = [];

    public async ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        await GetChunksAsync(digest, cancellationToken) is not null;

    public async ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        Note($"open {digest}");
        cancellationToken.ThrowIfCancellationRequested();
        return await GetChunksAsync(digest, cancellationToken) is { Count: > 0 } chunks
            ? new ChunkedBlobStream(this, chunks)
            : await _pieces.OpenReadAsync(digest, cancellationToken);
    }

    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(new Writer(this));
    }

    public async ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_blobs.TryGetValue(digest, out IReadOnlyList<BlobChunk>? chunks))
            {
                return chunks;
            }
        }

        return await _pieces.HasAsync(digest, cancellationToken) ? [] : null;
    }

    private void Note(string call)
    {
        lock (_lock)
        {
            Calls.Add(call);
        }
    }

    private async ValueTask<B3Digest> StoreAsync(byte[] content)
    {
        B3Digest digest = Blake3Hasher.HashData(content);
        if (content.Length <= chunkSize)
        {
            return await _pieces.PutAsync(content);
        }

        List<BlobChunk> chunks = [];
        foreach (byte[] piece in content.Chunk(chunkSize))
        {
            chunks.Add(new BlobChunk(await _pieces.PutAsync(piece), (ulong)piece.Length));
        }

        lock (_lock)
        {
            _blobs[digest] = chunks;
        }

        return digest;
    }

    private sealed class Writer(ChunkingTestBlobService service) : BlobWriter
    {
        private readonly MemoryStream _content = new();

        protected override ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
            _content.WriteAsync(buffer, cancellationToken);

        protected override ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken) =>
            service.StoreAsync(_content.ToArray());

        protected override ValueTask DisposeCoreAsync() => _content.DisposeAsync();
    }
}
