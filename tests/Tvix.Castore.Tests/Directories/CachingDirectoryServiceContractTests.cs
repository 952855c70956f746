using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Testing.Directories;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Directories;

[TestFixture(CacheWrites.Near, false)]
[TestFixture(CacheWrites.Far, false)]
[TestFixture(CacheWrites.Both, false)]
[TestFixture(CacheWrites.Near, true)]
[TestFixture(CacheWrites.Far, true)]
[TestFixture(CacheWrites.Both, true)]
[TestOf(typeof(CachingDirectoryService))]
public sealed class CachingDirectoryServiceContractTests(CacheWrites writes, bool nearIsLocal) : DirectoryServiceContract
{
    private TempFolder _folder = null!;
    private LocalStore _store = null!;

    protected override bool StoresSingleDirectories => writes != CacheWrites.Far;

    protected override ValueTask<IDirectoryService> CreateAsync()
    {
        _folder = new TempFolder();
        _store = new LocalStore(_folder["store"]);
        MemoryDirectoryService memory = new();
        return new(
            nearIsLocal ? new CachingDirectoryService(_store.Directories, memory, writes) : new CachingDirectoryService(memory, _store.Directories, writes));
    }

    protected override async ValueTask DestroyAsync(IDirectoryService service)
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }
}
