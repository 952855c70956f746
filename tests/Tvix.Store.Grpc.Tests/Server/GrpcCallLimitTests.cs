using Microsoft.AspNetCore.Builder;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Tests.Protocol;
using Tvix.Store.Grpc.Tests.Protos;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture]
public sealed class GrpcCallLimitTests
{
    [Test]
    public async Task Call_BeyondTheLimit_IsRefusedUntilAnotherEnds()
    {
        await using TestServer server = await TestServer.StartAsync(app =>
        {
            app.UseGrpcCallLimit(2);
            app.MapGrpc([EchoService.Define()]);
        });
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { Retry = null });
        await using IGrpcCall<EchoMessage, EchoMessage> first = channel.Start(EchoService.Duplex);
        await using IGrpcCall<EchoMessage, EchoMessage> second = channel.Start(EchoService.Duplex);
        foreach (IGrpcCall<EchoMessage, EchoMessage> call in new[] { first, second })
        {
            await call.WriteAsync(new EchoMessage());
            Assert.That(await call.MoveNextAsync(), Is.True);
        }

        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), message => message))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.ResourceExhausted));

        await first.CompleteAsync();
        Assert.That(await first.MoveNextAsync(), Is.False);
        Assert.That(await UntilTakenAsync(channel), Is.EqualTo(new EchoMessage()));
    }

    /// <summary>The client may know of the end of a call a moment before the server stops counting it.</summary>
    private static async Task<EchoMessage> UntilTakenAsync(GrpcChannel channel)
    {
        while (true)
        {
            try
            {
                return await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), message => message);
            }
            catch (GrpcException e) when (e.StatusCode == GrpcStatusCode.ResourceExhausted)
            {
                await Task.Yield();
            }
        }
    }
}
