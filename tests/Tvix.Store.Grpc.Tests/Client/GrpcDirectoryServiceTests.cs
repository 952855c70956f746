using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Testing.Directories;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>The contract, for a client and a server.</summary>
[TestFixture(false, false, "")]
[TestFixture(true, false, "?package=snix&compress=1")]
[TestFixture(false, true, "?package=snix&timeout=60")]
[TestFixture(true, true, "")]
public sealed class GrpcDirectoryServiceTests(bool unixSocket, bool embedded, string parameters) : DirectoryServiceContract
{
    private RemoteStore _store = null!;

    protected override async ValueTask<IDirectoryService> CreateAsync()
    {
        _store = await RemoteStore.StartAsync(unixSocket, embedded, parameters);
        return _store.Client.Directories;
    }

    protected override ValueTask DestroyAsync(IDirectoryService service) => _store.DisposeAsync();

    protected override bool StoresSingleDirectories => false;
}
