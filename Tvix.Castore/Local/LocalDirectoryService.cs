using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>The directories of a <see cref="LocalStore"/>, in their canonical encoding.</summary>
internal sealed class LocalDirectoryService(LocalStore store) : IDirectoryService
{
    public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using BlobContent? content = store.Read(RecordKind.Directory, digest);
        return new(content is null ? null : CastoreDirectory.DecodeHashed(digest, content.Memory.Span, store.Path));
    }

    public async ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        cancellationToken.ThrowIfCancellationRequested();
        WriteSession session = new(store);
        session.Append(RecordKind.Directory, directory.Digest, directory.EncodedSpan);
        await session.CommitAsync(cancellationToken).ConfigureAwait(false);
        return directory.Digest;
    }

    public DirectoryPutter OpenPutter() => new LocalDirectoryPutter(store);
}
