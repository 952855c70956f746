using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Store.Grpc.Client;
using Tvix.Testing.Blobs;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>The contract, for a client that holds nothing in memory that it need not.</summary>
[TestFixture("")]
[TestFixture("?timeout=60")]
public sealed class GrpcBlobServiceStreamingTests(string parameters) : BlobServiceContract
{
    private RemoteStore _store = null!;

    protected override async ValueTask<IBlobService> CreateAsync()
    {
        GrpcBlobServiceOptions options = new() { MaxBufferedBlob = 100, WriteBuffer = 10, PieceBytes = 4096, BufferBytes = 0, MaxParallelCalls = 1 };
        _store = await RemoteStore.StartAsync(parameters: parameters, blobs: options);
        return _store.Client.Blobs;
    }

    protected override ValueTask DestroyAsync(IBlobService service) => _store.DisposeAsync();

    protected override bool ReadsSynchronously(int size) => size <= 100;
}
