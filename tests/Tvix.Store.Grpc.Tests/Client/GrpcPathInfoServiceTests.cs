using NUnit.Framework;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>The contract, for a client and a server.</summary>
[TestFixture(false, false, "")]
[TestFixture(true, false, "?package=snix&compress=1")]
[TestFixture(false, true, "?package=snix&timeout=60")]
[TestFixture(true, true, "")]
public sealed class GrpcPathInfoServiceTests(bool unixSocket, bool embedded, string parameters) : PathInfoServiceContract
{
    private readonly List<RemoteStore> _stores = [];

    protected override async ValueTask<IPathInfoService> CreateAsync()
    {
        RemoteStore store = await RemoteStore.StartAsync(unixSocket, embedded, parameters);
        _stores.Add(store);
        return store.Client.PathInfos;
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
