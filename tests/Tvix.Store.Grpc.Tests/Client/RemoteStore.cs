using Microsoft.AspNetCore.Builder;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Store.Composition;
using Tvix.Store.Grpc.Client;
using Tvix.Tests.Shared;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>A store, a server that serves it, and a client of that.</summary>
internal sealed class RemoteStore : IAsyncDisposable
{
    private readonly TempFolder? _folder;
    private readonly StoreServices _backend;
    private readonly TestServer _server;

    private RemoteStore(TempFolder? folder, StoreServices backend, TestServer server, GrpcStore client)
    {
        _folder = folder;
        _backend = backend;
        _server = server;
        Client = client;
    }

    public GrpcStore Client { get; }

    public StoreServices Backend => _backend;

    public TestServer Server => _server;

    public static async Task<RemoteStore> StartAsync(
        bool unixSocket = false,
        bool embedded = false,
        string parameters = "",
        Func<IBlobService, IBlobService>? wrap = null,
        GrpcBlobServiceOptions? blobs = null)
    {
        TempFolder? folder = embedded ? new TempFolder() : null;
        StoreServices backend = StoreAddressResolver.Default.Open(StoreAddress.Parse("memory:"));
        if (folder is not null)
        {
            LocalStore local = new(new LocalStoreOptions { Path = folder.Path, Durability = LocalDurability.OperatingSystem });
            local.Open();
            backend = StoreAddressResolver.ForLocal(local) with { Owner = local };
        }

        if (wrap is not null)
        {
            backend = backend with { Blobs = wrap(backend.Blobs) };
        }

        TestServer server = await TestServer.StartAsync(app => app.MapTvixStore(new TvixStore(backend with { Owner = null })), unixSocket);
        GrpcStore client = new(GrpcStoreAddress.Parse(AddressOf(server, unixSocket) + parameters), blobs: blobs);
        return new RemoteStore(folder, backend, server, client);
    }

    public static string AddressOf(TestServer server, bool unixSocket) =>
        unixSocket ? $"grpc+unix://{server.Socket}" : $"grpc+http://{server.Address.Authority}";

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        await _server.DisposeAsync();
        if (_backend.Owner is { } owner)
        {
            await owner.DisposeAsync();
        }

        _folder?.Dispose();
    }
}
