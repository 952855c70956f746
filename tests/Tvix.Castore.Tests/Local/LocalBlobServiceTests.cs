using NUnit.Framework;
using Tvix.Tests.Shared;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Testing.Blobs;

namespace Tvix.Castore.Tests.Local;

[TestFixture(LocalCompression.None)]
[TestFixture(LocalCompression.Zstd)]
public sealed class LocalBlobServiceTests(LocalCompression compression) : BlobServiceContract
{
    private TempFolder _folder = null!;
    private LocalStore _store = null!;

    protected override ValueTask<IBlobService> CreateAsync()
    {
        _folder = new TempFolder();
        _store = new LocalStore(new LocalStoreOptions { Path = _folder["store"], Compression = compression, AverageChunkSize = 64 * 1024 });
        return new(_store.Blobs);
    }

    protected override async ValueTask DestroyAsync(IBlobService service)
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    protected override bool KeepsInChunks(int size) => size >= 128 * 1024;

    protected override bool ReadsSynchronously(int size) => !KeepsInChunks(size);
}
