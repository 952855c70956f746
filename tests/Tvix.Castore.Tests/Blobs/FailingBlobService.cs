using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>A double whose backend never answers.</summary>
internal sealed class FailingBlobService : IBlobService
{
    public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => throw new StorageException("down");

    public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        throw new StorageException("down");

    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => throw new StorageException("down");
}
