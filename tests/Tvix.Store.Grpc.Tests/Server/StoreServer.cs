using System.Buffers;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Grpc.Wire;
using NodeMessage = Tvix.Store.Grpc.Protos.Tvix.Castore.V1.Node;

namespace Tvix.Store.Grpc.Tests.Server;

/// <summary>A store in this process that is served, and a client that calls its methods with nothing in between.</summary>
internal sealed class StoreServer : IAsyncDisposable
{
    private readonly TestServer _server;

    private StoreServer(TestServer server, GrpcPackage package, ScriptedBlobService blobs, ScriptedDirectoryService directories, ScriptedPathInfoService pathInfos)
    {
        _server = server;
        Channel = server.Connect(new GrpcChannelOptions { Retry = null });
        Methods = StoreMethods.Of(package);
        Blobs = blobs;
        Directories = directories;
        PathInfos = pathInfos;
    }

    public ScriptedBlobService Blobs { get; }

    public ScriptedDirectoryService Directories { get; }

    public ScriptedPathInfoService PathInfos { get; }

    public GrpcChannel Channel { get; }

    public StoreMethods Methods { get; }

    public IServiceProvider Services => _server.Services;

    public static async Task<StoreServer> StartAsync(GrpcPackage package = GrpcPackage.Tvix, TvixStoreGrpcOptions? options = null)
    {
        ScriptedBlobService blobs = new();
        ScriptedDirectoryService directories = new();
        ScriptedPathInfoService pathInfos = new();
        TestServer server = await TestServer.StartAsync(app => app.MapTvixStore(new TvixStore(blobs, directories, pathInfos), options));
        return new StoreServer(server, package, blobs, directories, pathInfos);
    }

    /// <summary>How a call ends, which must not be well.</summary>
    public static GrpcException StatusOf(Func<Task> call) => Assert.ThrowsAsync<GrpcException>(async () => await call())!;

    public static ReadOnlySequence<byte> Message(ReadOnlyMemory<byte> bytes) => new(bytes);

    public async Task<StatBlobResponse> StatAsync(ReadOnlyMemory<byte> digest, bool sendChunks = true) =>
        await Channel.UnaryAsync(Methods.StatBlob, new StatBlobRequest { Digest = ByteString.CopyFrom(digest.Span), SendChunks = sendChunks }, response => response);

    /// <param name="pieces">Gets the pieces, also those that come before a failure.</param>
    public async Task ReadAsync(ReadOnlyMemory<byte> digest, List<byte[]> pieces)
    {
        await foreach (ReadOnlySequence<byte> piece in Channel.ServerStreamingAsync(Methods.ReadBlob, new ReadBlobRequest { Digest = ByteString.CopyFrom(digest.Span) }))
        {
            pieces.Add(piece.ToArray());
        }
    }

    public async Task<B3Digest> PutBlobAsync(params IEnumerable<byte[]> pieces) =>
        new((await PutAsync(Methods.PutBlob, pieces.Select(piece => (ReadOnlyMemory<byte>)piece))).Digest.Span);

    public Task<List<CastoreDirectory>> GetDirectoriesAsync(B3Digest digest, bool recursive) =>
        GetDirectoriesAsync(new GetDirectoryRequest { Digest = ByteString.CopyFrom(digest.ToByteArray()), Recursive = recursive });

    public async Task<List<CastoreDirectory>> GetDirectoriesAsync(GetDirectoryRequest request)
    {
        List<CastoreDirectory> directories = [];
        await foreach (ReadOnlySequence<byte> message in Channel.ServerStreamingAsync(Methods.GetDirectory, request))
        {
            directories.Add(CastoreDirectory.Decode(message.ToArray()));
        }

        return directories;
    }

    public async Task<B3Digest> PutDirectoriesAsync(params IEnumerable<ReadOnlyMemory<byte>> messages) =>
        new((await PutAsync(Methods.PutDirectory, messages)).RootDigest.Span);

    public Task<B3Digest> PutDirectoriesAsync(params IEnumerable<CastoreDirectory> directories) =>
        PutDirectoriesAsync(directories.Select(directory => directory.Encode()));

    public async Task<byte[]> GetPathInfoAsync(ReadOnlyMemory<byte>? digest)
    {
        GetPathInfoRequest request = new();
        if (digest is { } bytes)
        {
            request.ByOutputHash = ByteString.CopyFrom(bytes.Span);
        }

        return await Channel.UnaryAsync(Methods.GetPathInfo, request, response => response.ToArray());
    }

    public async Task<byte[]> PutPathInfoAsync(ReadOnlyMemory<byte> message) => await Channel.UnaryAsync(Methods.PutPathInfo, Message(message), response => response.ToArray());

    public async Task<List<byte[]>> ListAsync()
    {
        List<byte[]> infos = [];
        await foreach (ReadOnlySequence<byte> message in Channel.ServerStreamingAsync(Methods.ListPathInfos, new ListPathInfoRequest()))
        {
            infos.Add(message.ToArray());
        }

        return infos;
    }

    public async Task<CalculateNARResponse> CalculateNarAsync(NodeMessage node, CancellationToken cancellationToken = default) =>
        await Channel.UnaryAsync(Methods.CalculateNar, node, response => response, default, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await _server.DisposeAsync();
    }

    private async Task<TResponse> PutAsync<TResponse>(GrpcMethod<ReadOnlySequence<byte>, TResponse> method, IEnumerable<ReadOnlyMemory<byte>> messages)
    {
        await using IGrpcCall<ReadOnlySequence<byte>, TResponse> call = Channel.Start(method);
        foreach (ReadOnlyMemory<byte> message in messages)
        {
            await call.WriteAsync(Message(message));
        }

        await call.CompleteAsync();
        Assert.That(await call.MoveNextAsync(), Is.True);
        TResponse response = call.Current;
        Assert.That(await call.MoveNextAsync(), Is.False);
        return response;
    }
}
