using System.Runtime.InteropServices;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Chunking;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>Cuts a blob into chunks as it comes, and stores those that are new.</summary>
/// <remarks>Chunks of a blob that is then abandoned may stay, as blobs of their own.</remarks>
internal sealed class LocalBlobWriter(LocalStore store) : BlobWriter
{
    private const int LargePiece = 256 << 10;

    private readonly WriteSession _session = new(store);
    private readonly Blake3Hasher _whole = new();
    private readonly ChunkSplitter _splitter = new(store.Chunking);
    private List<byte>? _chunkList; // once the blob is longer than one chunk
    private long _length;

    protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        // The whole is hashed beside the chunks: it is as much work again, and needs nothing of theirs.
        Task hashing = HashWholeAsync(buffer);
        try
        {
            while (_splitter.TryNext(ref buffer, out ReadOnlyMemory<byte> chunk))
            {
                AppendChunk(chunk.Span);
                await store.ThrottleAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            await hashing.ConfigureAwait(false);
        }
    }

    private Task HashWholeAsync(ReadOnlyMemory<byte> buffer)
    {
        if (buffer.Length >= LargePiece)
        {
            return Task.Run(() => _whole.AppendData(buffer.Span));
        }

        _whole.AppendData(buffer.Span);
        return Task.CompletedTask;
    }

    protected override async ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
    {
        B3Digest digest = _whole.GetCurrentDigest();
        if (_chunkList is null)
        {
            _session.Append(RecordKind.Chunk, digest, _splitter.TakeRest().Span);
        }
        else
        {
            while (_splitter.TryFinish(out ReadOnlyMemory<byte> chunk))
            {
                AppendChunk(chunk.Span);
            }

            _session.Append(RecordKind.Blob, digest, CollectionsMarshal.AsSpan(_chunkList), logicalLength: _length);
        }

        await _session.CommitAsync(cancellationToken).ConfigureAwait(false);
        return digest;
    }

    protected override ValueTask DisposeCoreAsync()
    {
        _splitter.Dispose();
        return ValueTask.CompletedTask;
    }

    private void AppendChunk(ReadOnlySpan<byte> chunk)
    {
        B3Digest digest = Blake3Hasher.HashData(chunk);
        _session.Append(RecordKind.Chunk, digest, chunk);
        _length += chunk.Length;
        LocalBlobService.AppendChunk(_chunkList ??= [], digest, chunk.Length);
    }
}
