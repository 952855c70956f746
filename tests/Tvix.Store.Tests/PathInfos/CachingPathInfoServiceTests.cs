using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Local;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture(CacheWrites.Near, false)]
[TestFixture(CacheWrites.Far, false)]
[TestFixture(CacheWrites.Both, false)]
[TestFixture(CacheWrites.Near, true)]
[TestFixture(CacheWrites.Far, true)]
[TestFixture(CacheWrites.Both, true)]
[TestOf(typeof(CachingPathInfoService))]
public sealed class CachingPathInfoServiceTests(CacheWrites writes, bool nearIsLocal) : PathInfoServiceContract
{
    private TempFolder _folder = null!;
    private LocalStore _store = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = new TempFolder();
        _store = new LocalStore(_folder["store"]);
    }

    [TearDown]
    public async Task RemoveFolderAsync()
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    protected override ValueTask<IPathInfoService> CreateAsync()
    {
        MemoryPathInfoService memory = new();
        LocalPathInfoService local = new(_store);
        return new(nearIsLocal ? new CachingPathInfoService(local, memory, writes) : new CachingPathInfoService(memory, local, writes));
    }
}
