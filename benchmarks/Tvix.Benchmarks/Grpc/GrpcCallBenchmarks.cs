using System.Buffers;
using BenchmarkDotNet.Attributes;
using Google.Protobuf;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Benchmarks.Grpc;

/// <summary>Small calls over one connection of the loopback device, client and server in this process: what is allocated is that of both.</summary>
[MemoryDiagnoser]
public class GrpcCallBenchmarks
{
    private readonly StatBlobRequest _request = new() { Digest = ByteString.CopyFrom(new byte[32]) };
    private readonly ReadOnlySequence<byte> _blob = new(new byte[1024]);
    private BareServer _server = null!;
    private GrpcChannel _channel = null!;

    [Params(1, 64)]
    public int InFlight { get; set; }

    [GlobalSetup]
    public async Task SetupAsync()
    {
        _server = await BareServer.StartAsync(256 << 10);
        _channel = new GrpcChannel(_server.Address);
        await StatAsync();
    }

    [GlobalCleanup]
    public async Task CleanupAsync()
    {
        _channel.Dispose();
        await _server.DisposeAsync();
    }

    /// <summary>As many unary calls at once as given.</summary>
    [Benchmark]
    public Task UnaryAsync() => AllAsync(StatAsync);

    /// <summary>As many uploads at once of a blob of 1 KiB each.</summary>
    [Benchmark]
    public Task PutAsync() => AllAsync(PutOneAsync);

    private Task AllAsync(Func<Task> call)
    {
        Task[] calls = new Task[InFlight];
        for (int i = 0; i < calls.Length; i++)
        {
            calls[i] = call();
        }

        return Task.WhenAll(calls);
    }

    private async Task StatAsync() => await _channel.UnaryAsync(StoreMethods.Tvix.StatBlob, _request, static answer => answer.Chunks.Count);

    private async Task PutOneAsync()
    {
        await using IGrpcCall<ReadOnlySequence<byte>, PutBlobResponse> call = _channel.Start(StoreMethods.Tvix.PutBlob);
        await call.WriteAsync(_blob);
        await call.CompleteAsync();
        while (await call.MoveNextAsync())
        {
        }
    }
}
