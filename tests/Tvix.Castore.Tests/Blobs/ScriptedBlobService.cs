using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>A double that notes what is asked of it, in a list that others may share, and asks another service, unless it is told to do
/// something before.</summary>
internal sealed class ScriptedBlobService(IBlobService inner, string name, List<string> calls) : IBlobService
{
    /// <summary>Runs before a call goes on; the argument is the call's name.</summary>
    public Func<string, CancellationToken, Task>? Before { get; set; }

    /// <summary>What <see cref="OpenReadAsync"/> and <see cref="ReadAsync"/> give instead of the blob.</summary>
    public byte[]? Forged { get; set; }

    public async ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        await NoteAsync("has", cancellationToken);
        return await inner.HasAsync(digest, cancellationToken);
    }

    public async ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        await NoteAsync("open", cancellationToken);
        return Forged is null ? await inner.OpenReadAsync(digest, cancellationToken) : new MemoryStream(Forged, writable: false);
    }

    public async ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
    {
        await NoteAsync("write", cancellationToken);
        return new Writer(this, await inner.OpenWriteAsync(cancellationToken));
    }

    public async ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        await NoteAsync("chunks", cancellationToken);
        return await inner.GetChunksAsync(digest, cancellationToken);
    }

    public async ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        await NoteAsync("put", cancellationToken);
        return await inner.PutAsync(content, cancellationToken);
    }

    public async ValueTask PutManyAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default)
    {
        await NoteAsync("put many", cancellationToken);
        await inner.PutManyAsync(contents, digests, cancellationToken);
    }

    public async ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default)
    {
        await NoteAsync("read", cancellationToken);
        if (Forged is null)
        {
            return await inner.ReadAsync(digest, maxBytes, cancellationToken);
        }

        BlobContent content = BlobContent.Rent(Forged.Length);
        Forged.CopyTo(content.Memory);
        return content;
    }

    private async Task NoteAsync(string call, CancellationToken cancellationToken)
    {
        lock (calls)
        {
            calls.Add($"{name} {call}");
        }

        if (Before is not null)
        {
            await Before(call, cancellationToken);
        }
    }

    private sealed class Writer(ScriptedBlobService service, BlobWriter inner) : BlobWriter
    {
        protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            if (service.Before is not null)
            {
                await service.Before("bytes", cancellationToken);
            }

            await inner.WriteAsync(buffer, cancellationToken);
        }

        protected override async ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
        {
            await service.NoteAsync("complete", cancellationToken);
            return await inner.CompleteAsync(cancellationToken);
        }

        protected override ValueTask DisposeCoreAsync() => inner.DisposeAsync();
    }
}
