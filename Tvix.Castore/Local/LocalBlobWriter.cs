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
    private const int LargePiece = 256 << 10; // from here on it pays to work on several threads
    private const int LargestPiece = 4 << 20; // what may be held, compressed, until it is appended
    private const int RunLength = 256 << 10;

    private readonly WriteSession _session = new(store);
    private readonly Blake3Hasher _whole = new();
    private readonly ChunkSplitter _splitter = new(store.Chunking);
    private readonly List<byte> _chunkList = []; // empty while the blob is no more than one chunk
    private Task _appending = Task.CompletedTask; // all chunks that were cut, in order
    private long _length;

    protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        await (await WriteLentCoreAsync(buffer, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);

    private protected override async ValueTask<Task> WriteLentCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                ReadOnlyMemory<byte> piece = buffer[..Math.Min(buffer.Length, LargestPiece)];
                buffer = buffer[piece.Length..];
                await WritePieceAsync(piece, cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            await _appending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // nobody uses the buffer after this
            throw;
        }

        return _appending;
    }

    /// <summary>Cuts and hashes a piece. What it consists of is appended while the next one is cut.</summary>
    private async ValueTask WritePieceAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        Task before = _appending;
        ReadOnlyMemory<byte> rest = piece;
        while (TakeRun(ref rest) is { } run)
        {
            _appending = AppendAsync(run, _appending, onAnotherThread: piece.Length >= LargePiece);
        }

        _whole.AppendData(piece.Span);
        _length += piece.Length;
        await before.ConfigureAwait(false);
        await store.ThrottleAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Cuts the next chunks; <see langword="null"/> when there is none that ends in the piece.</summary>
    private ChunkRun? TakeRun(ref ReadOnlyMemory<byte> piece)
    {
        ChunkRun? run = null;
        while ((run is null || run.Length < RunLength) && _splitter.TryNext(ref piece, out ReadOnlyMemory<byte> chunk))
        {
            run ??= new ChunkRun(store);
            run.Add(chunk, _splitter.DetachBuffer());
        }

        return run;
    }

    /// <summary>Prepares chunks, and appends them when those before them are appended.</summary>
    private async Task AppendAsync(ChunkRun run, Task before, bool onAnotherThread)
    {
        using (run)
        {
            if (onAnotherThread)
            {
                await Task.WhenAll(Task.Run(run.Prepare), before).ConfigureAwait(false);
            }
            else
            {
                run.Prepare();
                await before.ConfigureAwait(false);
            }

            run.Append(_session, _chunkList);
        }
    }

    protected override async ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
    {
        await _appending.ConfigureAwait(false);
        B3Digest digest = _whole.GetCurrentDigest();
        if (_chunkList.Count == 0)
        {
            _session.Append(RecordKind.Chunk, digest, _splitter.TakeRest().Span);
        }
        else
        {
            while (_splitter.TryFinish(out ReadOnlyMemory<byte> chunk))
            {
                B3Digest last = Blake3Hasher.HashData(chunk.Span);
                _session.Append(RecordKind.Chunk, last, chunk.Span);
                LocalBlobService.AppendChunk(_chunkList, last, chunk.Length);
            }

            _session.Append(RecordKind.Blob, digest, CollectionsMarshal.AsSpan(_chunkList), logicalLength: _length);
        }

        await _session.CommitAsync(cancellationToken).ConfigureAwait(false);
        return digest;
    }

    protected override async ValueTask DisposeCoreAsync()
    {
        await _appending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _splitter.Dispose();
    }
}
