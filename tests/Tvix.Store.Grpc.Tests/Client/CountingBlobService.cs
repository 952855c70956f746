using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>What a server writes to, counted.</summary>
internal sealed class CountingBlobService(IBlobService inner) : IBlobService
{
    private long _written;
    private int _questions;

    /// <summary>The bytes of contents that were sent.</summary>
    public long Written => Interlocked.Read(ref _written);

    public int Questions => _questions;

    public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => inner.HasAsync(digest, cancellationToken);

    public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) => inner.OpenReadAsync(digest, cancellationToken);

    public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref _questions);
        return inner.GetChunksAsync(digest, cancellationToken);
    }

    public async ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) =>
        new Writer(this, await inner.OpenWriteAsync(cancellationToken));

    private sealed class Writer(CountingBlobService service, BlobWriter writer) : BlobWriter
    {
        protected override ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            Interlocked.Add(ref service._written, buffer.Length);
            return writer.WriteAsync(buffer, cancellationToken);
        }

        protected override ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken) => writer.CompleteAsync(cancellationToken);

        protected override ValueTask DisposeCoreAsync() => writer.DisposeAsync();
    }
}
