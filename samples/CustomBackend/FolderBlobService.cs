using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace CustomBackend;

/// <summary>A backend of our own: one file per blob, named by its digest.</summary>
public sealed class FolderBlobService(string folder) : IBlobService
{
    public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(File.Exists(PathOf(digest)));
    }

    public async ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!File.Exists(PathOf(digest)))
        {
            return null;
        }

        // What comes from a disk is checked before anybody sees it. (A backend for large blobs would keep them in chunks and check those.)
        byte[] content = await File.ReadAllBytesAsync(PathOf(digest), cancellationToken);
        B3Digest actual = Blake3Hasher.HashData(content);
        return actual == digest ? new MemoryStream(content, writable: false) : throw new DigestMismatchException(digest, actual, PathOf(digest));
    }

    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Directory.CreateDirectory(folder);
        return new(new Writer(this, Path.Combine(folder, $"{Guid.NewGuid():n}.part")));
    }

    private string PathOf(B3Digest digest) => Path.Combine(folder, digest.ToHexString());

    /// <summary>Writes to a file of another name, which gets its own when it is complete, and is deleted when not.</summary>
    private sealed class Writer(FolderBlobService service, string path) : BlobWriter
    {
        private readonly FileStream _file = File.Create(path);
        private readonly Blake3Hasher _hasher = new();

        protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            _hasher.AppendData(buffer.Span);
            await _file.WriteAsync(buffer, cancellationToken);
        }

        protected override async ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await _file.FlushAsync(cancellationToken);
            _file.Flush(flushToDisk: true);
            await _file.DisposeAsync();
            B3Digest digest = _hasher.GetCurrentDigest();
            File.Move(path, service.PathOf(digest), overwrite: true);
            return digest;
        }

        protected override async ValueTask DisposeCoreAsync()
        {
            await _file.DisposeAsync();
            File.Delete(path); // not there any more when it was completed
        }
    }
}
