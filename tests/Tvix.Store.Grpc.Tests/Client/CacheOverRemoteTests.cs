using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.PathInfos;
using Tvix.Testing.Blobs;
using Tvix.Testing.Directories;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>The contract of a cache in memory in front of a server, wherever it writes.</summary>
[TestFixture(CacheWrites.Near)]
[TestFixture(CacheWrites.Far)]
[TestFixture(CacheWrites.Both)]
[TestOf(typeof(CachingBlobService))]
public sealed class CachingBlobServiceOverRemoteTests(CacheWrites writes) : BlobServiceContract
{
    private RemoteStore _far = null!;

    protected override async ValueTask<IBlobService> CreateAsync()
    {
        _far = await RemoteStore.StartAsync(embedded: true);
        return new CachingBlobService(new MemoryBlobService(), _far.Client.Blobs, writes);
    }

    protected override ValueTask DestroyAsync(IBlobService service) => _far.DisposeAsync();
}

/// <summary>The contract of a cache in memory in front of a server, wherever it writes.</summary>
[TestFixture(CacheWrites.Near)]
[TestFixture(CacheWrites.Far)]
[TestFixture(CacheWrites.Both)]
[TestOf(typeof(CachingDirectoryService))]
public sealed class CachingDirectoryServiceOverRemoteTests(CacheWrites writes) : DirectoryServiceContract
{
    private RemoteStore _far = null!;

    // A server takes whole trees, so what is put by itself can only go near.
    protected override bool StoresSingleDirectories => writes == CacheWrites.Near;

    protected override async ValueTask<IDirectoryService> CreateAsync()
    {
        _far = await RemoteStore.StartAsync(embedded: true);
        return new CachingDirectoryService(new MemoryDirectoryService(), _far.Client.Directories, writes);
    }

    protected override ValueTask DestroyAsync(IDirectoryService service) => _far.DisposeAsync();
}

/// <summary>The contract of a cache in memory in front of a server, wherever it writes.</summary>
[TestFixture(CacheWrites.Near)]
[TestFixture(CacheWrites.Far)]
[TestFixture(CacheWrites.Both)]
[TestOf(typeof(CachingPathInfoService))]
public sealed class CachingPathInfoServiceOverRemoteTests(CacheWrites writes) : PathInfoServiceContract
{
    private readonly List<RemoteStore> _stores = [];

    protected override async ValueTask<IPathInfoService> CreateAsync()
    {
        RemoteStore far = await RemoteStore.StartAsync(embedded: true);
        _stores.Add(far);
        return new CachingPathInfoService(new MemoryPathInfoService(), far.Client.PathInfos, writes);
    }

    [TearDown]
    public async Task StopAsync()
    {
        foreach (RemoteStore store in _stores)
        {
            await store.DisposeAsync();
        }

        _stores.Clear();
    }
}
