using System.Buffers;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Client;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using Tvix.Store.Grpc.Wire;
using NodeMessage = Tvix.Store.Grpc.Protos.Tvix.Castore.V1.Node;
using Piece = System.Buffers.ReadOnlySequence<byte>;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>A server whose answers a test makes up. What a test does not set is UNIMPLEMENTED.</summary>
internal sealed class FakeServer : IAsyncDisposable
{
    private TestServer _server = null!;

    public Func<StatBlobRequest, IGrpcServerContext, ValueTask<StatBlobResponse>> Stat { get; set; } = (_, _) => throw Unimplemented();

    public Func<ReadBlobRequest, IGrpcResponseWriter<Piece>, IGrpcServerContext, Task> Read { get; set; } = (_, _, _) => throw Unimplemented();

    public Func<IAsyncEnumerable<Piece>, IGrpcServerContext, ValueTask<PutBlobResponse>> Put { get; set; } = (_, _) => throw Unimplemented();

    public Func<GetDirectoryRequest, IGrpcResponseWriter<Piece>, IGrpcServerContext, Task> GetDirectory { get; set; } = (_, _, _) => throw Unimplemented();

    public Func<IAsyncEnumerable<Piece>, IGrpcServerContext, ValueTask<PutDirectoryResponse>> PutDirectory { get; set; } = (_, _) => throw Unimplemented();

    public Func<GetPathInfoRequest, IGrpcServerContext, ValueTask<Piece>> GetPathInfo { get; set; } = (_, _) => throw Unimplemented();

    public Func<Piece, IGrpcServerContext, ValueTask<Piece>> PutPathInfo { get; set; } = (_, _) => throw Unimplemented();

    public Func<NodeMessage, IGrpcServerContext, ValueTask<CalculateNARResponse>> CalculateNar { get; set; } = (_, _) => throw Unimplemented();

    public Func<IGrpcResponseWriter<Piece>, IGrpcServerContext, Task> List { get; set; } = (_, _) => throw Unimplemented();

    /// <summary>With limits that a test does not have to wait for.</summary>
    public GrpcStore Client { get; private set; } = null!;

    public static async Task<FakeServer> StartAsync(GrpcBlobServiceOptions? blobs = null, string parameters = "?timeout=20")
    {
        FakeServer fake = new();
        fake._server = await TestServer.StartAsync(app => app.MapGrpc(fake.Define()));
        fake.Client = new GrpcStore(
            GrpcStoreAddress.Parse($"grpc+http://{fake._server.Address.Authority}{parameters}"),
            options => options.Retry = new GrpcRetryOptions { InitialBackoff = TimeSpan.FromMilliseconds(1) },
            blobs);
        return fake;
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        await _server.DisposeAsync();
    }

    public static ByteString Bytes(B3Digest digest) => ByteString.CopyFrom(digest.ToByteArray());

    public static StatBlobResponse Chunks(params ReadOnlySpan<byte[]> chunks)
    {
        StatBlobResponse response = new();
        foreach (byte[] chunk in chunks)
        {
            response.Chunks.Add(new StatBlobResponse.Types.ChunkMeta { Digest = Bytes(Blake3Hasher.HashData(chunk)), Size = (ulong)chunk.Length });
        }

        return response;
    }

    /// <summary>Sends one of some blobs, whichever is asked for, in pieces.</summary>
    public static Func<ReadBlobRequest, IGrpcResponseWriter<Piece>, IGrpcServerContext, Task> Sends(params byte[][] blobs)
    {
        Dictionary<B3Digest, byte[]> byDigest = blobs.DistinctBy(blob => Blake3Hasher.HashData(blob)).ToDictionary(blob => Blake3Hasher.HashData(blob));
        return async (request, responses, _) =>
        {
            byte[] blob = byDigest.GetValueOrDefault(new B3Digest(request.Digest.Span)) ?? throw new GrpcException(GrpcStatusCode.NotFound, "no such blob");
            foreach (byte[] piece in blob.Chunk(50_000))
            {
                await responses.WriteAsync(new Piece(piece));
            }
        };
    }

    /// <summary>Takes an upload in, and tells how long it was.</summary>
    public static async Task<byte[]> ReceiveAsync(IAsyncEnumerable<Piece> pieces)
    {
        ArrayBufferWriter<byte> all = new();
        await foreach (Piece piece in pieces)
        {
            all.Write(piece.ToArray());
        }

        return all.WrittenSpan.ToArray();
    }

    private IEnumerable<GrpcServiceDefinition> Define()
    {
        StoreMethods m = StoreMethods.Tvix;
        yield return new GrpcServiceDefinition(m.Blobs)
            .AddUnary("Stat", m.StatBlob.Request, m.StatBlob.Response, (request, context) => Stat(request, context))
            .AddServerStreaming("Read", m.ReadBlob.Request, m.ReadBlob.Response, (request, responses, context) => Read(request, responses, context))
            .AddClientStreaming("Put", m.PutBlob.Request, m.PutBlob.Response, (requests, context) => Put(requests, context));
        yield return new GrpcServiceDefinition(m.Directories)
            .AddServerStreaming("Get", m.GetDirectory.Request, m.GetDirectory.Response, (request, responses, context) => GetDirectory(request, responses, context))
            .AddClientStreaming("Put", m.PutDirectory.Request, m.PutDirectory.Response, (requests, context) => PutDirectory(requests, context));
        yield return new GrpcServiceDefinition(m.PathInfos)
            .AddUnary("Get", m.GetPathInfo.Request, m.GetPathInfo.Response, (request, context) => GetPathInfo(request, context))
            .AddUnary("Put", m.PutPathInfo.Request, m.PutPathInfo.Response, (request, context) => PutPathInfo(request, context))
            .AddUnary("CalculateNAR", m.CalculateNar.Request, m.CalculateNar.Response, (request, context) => CalculateNar(request, context))
            .AddServerStreaming("List", m.ListPathInfos.Request, m.ListPathInfos.Response, (_, responses, context) => List(responses, context));
    }

    private static GrpcException Unimplemented() => new(GrpcStatusCode.Unimplemented, "The test does not serve this.");
}
