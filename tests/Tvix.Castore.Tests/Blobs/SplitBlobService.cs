using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>A double that writes to one service and reads from another, to run a contract on how a decorator reads.</summary>
internal sealed class SplitBlobService(IBlobService writeTo, IBlobService readFrom) : IBlobService
{
    public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        readFrom.HasAsync(digest, cancellationToken);

    public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        readFrom.OpenReadAsync(digest, cancellationToken);

    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => writeTo.OpenWriteAsync(cancellationToken);

    public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        readFrom.GetChunksAsync(digest, cancellationToken);

    public ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default) =>
        readFrom.ReadAsync(digest, maxBytes, cancellationToken);
}
