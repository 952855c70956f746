using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Benchmarks.Grpc;

/// <summary>
/// Serves blobs without a store, to measure the protocol alone: what is put is counted and forgotten, its "digest" tells its length, and what is read is the same piece over and over. The
/// servers of other implementations beside this one, in benchmarks/grpc, do the same.
/// </summary>
internal sealed class BareServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private BareServer(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    public static async Task<BareServer> StartAsync(int pieceSize)
    {
        byte[] piece = new byte[pieceSize];
        Random.Shared.NextBytes(piece);
        StoreMethods methods = StoreMethods.Tvix;
        GrpcServiceDefinition service = new GrpcServiceDefinition(methods.Blobs)
            .AddUnary(methods.StatBlob.Name, methods.StatBlob.Request, methods.StatBlob.Response, (_, _) => ValueTask.FromResult(new StatBlobResponse()))
            .AddServerStreaming(methods.ReadBlob.Name, methods.ReadBlob.Request, methods.ReadBlob.Response, async (request, responses, _) =>
            {
                long rest = BinaryPrimitives.ReadInt64BigEndian(request.Digest.Span);
                for (; rest > 0; rest -= piece.Length)
                {
                    await responses.WriteAsync(new ReadOnlySequence<byte>(piece, 0, (int)Math.Min(rest, piece.Length)));
                }
            })
            .AddClientStreaming(methods.PutBlob.Name, methods.PutBlob.Request, methods.PutBlob.Response, async (pieces, _) =>
            {
                long length = 0;
                await foreach (ReadOnlySequence<byte> received in pieces)
                {
                    length += received.Length;
                }

                byte[] digest = new byte[32];
                BinaryPrimitives.WriteInt64BigEndian(digest, length);
                return new PutBlobResponse { Digest = UnsafeByteOperations.UnsafeWrap(digest) };
            });
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            // As the daemon does.
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.Http2.InitialStreamWindowSize = 1 << 20;
            kestrel.Limits.Http2.InitialConnectionWindowSize = 8 << 20;
            kestrel.Limits.Http2.MaxFrameSize = 256 << 10;
            kestrel.Listen(IPAddress.Loopback, 0, listener => listener.Protocols = HttpProtocols.Http2);
        });
        WebApplication app = builder.Build();
        app.MapGrpc([service]);
        await app.StartAsync();
        return new BareServer(app);
    }

    public async Task WaitAsync()
    {
        Console.WriteLine($"listening {Address.Port}");
        await _app.WaitForShutdownAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
