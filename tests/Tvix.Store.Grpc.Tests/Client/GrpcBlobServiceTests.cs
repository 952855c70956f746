using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Testing.Blobs;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>The contract, for a client and a server.</summary>
[TestFixture(false, false, "")]
[TestFixture(true, false, "?package=snix&compress=1")]
[TestFixture(false, true, "?package=snix&timeout=60")]
[TestFixture(true, true, "")]
public sealed class GrpcBlobServiceTests(bool unixSocket, bool embedded, string parameters) : BlobServiceContract
{
    private RemoteStore _store = null!;

    protected override async ValueTask<IBlobService> CreateAsync()
    {
        _store = await RemoteStore.StartAsync(unixSocket, embedded, parameters);
        return _store.Client.Blobs;
    }

    protected override ValueTask DestroyAsync(IBlobService service) => _store.DisposeAsync();

    protected override bool KeepsInChunks(int size) => embedded && size >= 128 * 1024;

    protected override bool ReadsSynchronously(int size) => !KeepsInChunks(size);
}
