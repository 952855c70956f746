using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Testing.Blobs;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>The contract of a cache, wherever it writes, in front of a store in memory and behind an embedded one, and the other way round.</summary>
[TestFixture(CacheWrites.Near, false)]
[TestFixture(CacheWrites.Far, false)]
[TestFixture(CacheWrites.Both, false)]
[TestFixture(CacheWrites.Near, true)]
[TestFixture(CacheWrites.Far, true)]
[TestFixture(CacheWrites.Both, true)]
[TestOf(typeof(CachingBlobService))]
public sealed class CachingBlobServiceContractTests(CacheWrites writes, bool nearIsLocal) : BlobServiceContract
{
    private TempFolder _folder = null!;
    private LocalStore _store = null!;

    // A blob that is far only is told as one piece; once read, it is as the near service keeps it.
    private bool IsWrittenInChunks => nearIsLocal && writes != CacheWrites.Far;

    protected override ValueTask<IBlobService> CreateAsync()
    {
        _folder = new TempFolder();
        _store = new LocalStore(new LocalStoreOptions { Path = _folder["store"], AverageChunkSize = 64 * 1024 });
        MemoryBlobService memory = new();
        return new(nearIsLocal ? new CachingBlobService(_store.Blobs, memory, writes) : new CachingBlobService(memory, _store.Blobs, writes));
    }

    protected override async ValueTask DestroyAsync(IBlobService service)
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    protected override bool KeepsInChunks(int size) => IsWrittenInChunks && size >= 128 * 1024;

    protected override bool ReadsSynchronously(int size) => !nearIsLocal || size < 128 * 1024;
}
