using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Tests.Protos;
using Tvix.Testing;

namespace Tvix.Store.Grpc.Tests.Protocol;

[TestFixture(false)]
[TestFixture(true)]
public sealed class GrpcCallTests(bool unixSocket)
{
    private TestServer _server = null!;
    private GrpcChannel _channel = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define(BehaveAsync)]), unixSocket);
        _channel = _server.Connect();
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _channel.Dispose();
        await _server.DisposeAsync();
    }

    private static async ValueTask BehaveAsync(EchoMessage request, IGrpcServerContext context)
    {
        switch (request.Behaviour)
        {
            case "not found":
                context.ResponseTrailers.Add("tvix-test", "a trailer");
                context.ResponseTrailers.Add("tvix-test-bin", [0, 255]);
                throw new GrpcException(GrpcStatusCode.NotFound, "100% not ok: ä\n");
            case "hang":
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
                break;
        }
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(16384)]
    [TestCase(4_000_000)]
    public async Task Unary_AnySize_GivesBackTheMessage(int size)
    {
        EchoMessage request = new() { Data = ByteString.CopyFrom(SampleData.Bytes(size, 1)) };
        EchoMessage answer = await _channel.UnaryAsync(EchoService.Unary, request, message => message);
        Assert.That(answer, Is.EqualTo(request));
    }

    [Test]
    public void Unary_ThatFails_HasStatusMessageAndTrailers([Values] bool compress)
    {
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await _channel.UnaryAsync(
            EchoService.Unary, new EchoMessage { Behaviour = "not found" }, message => message, new GrpcCallOptions(Compress: compress)))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));
        Assert.That(e.Message, Is.EqualTo("100% not ok: ä\n"));
        Assert.That(e.Trailers.GetText("tvix-test"), Is.EqualTo("a trailer"));
        Assert.That(e.Trailers.GetBytes("tvix-test-bin"), Is.EqualTo(new byte[] { 0, 255 }));
    }

    [Test]
    public async Task Duplex_MessageByMessage_IsAnsweredAtOnce([Values] bool compress)
    {
        await using IGrpcCall<EchoMessage, EchoMessage> call = _channel.Start(EchoService.Duplex, new GrpcCallOptions(Compress: compress));
        for (int i = 0; i < 20; i++)
        {
            EchoMessage message = new() { Data = ByteString.CopyFrom(SampleData.Bytes(i * 1000, i)), Times = i };
            await call.WriteAsync(message);
            Assert.That(await call.MoveNextAsync(), Is.True);
            Assert.That(call.Current, Is.EqualTo(message));
        }

        await call.CompleteAsync();
        Assert.That(await call.MoveNextAsync(), Is.False);
    }

    [Test]
    public async Task ClientStream_ManyMessages_AreAllThere()
    {
        await using IGrpcCall<EchoMessage, EchoMessage> call = _channel.Start(EchoService.ClientStream);
        for (int i = 0; i < 100; i++)
        {
            await call.WriteAsync(new EchoMessage { Data = ByteString.CopyFrom(SampleData.Bytes(i, i)) });
        }

        await call.CompleteAsync();
        Assert.That(await call.MoveNextAsync(), Is.True);
        Assert.That(call.Current.Times, Is.EqualTo(100));
        Assert.That(await call.MoveNextAsync(), Is.False);
    }

    [Test]
    public async Task ServerStream_ManyMessages_AreAllThere()
    {
        int count = 0;
        await foreach (EchoMessage message in _channel.ServerStreamingAsync(EchoService.ServerStream, new EchoMessage { Times = 1000 }))
        {
            count++;
        }

        Assert.That(count, Is.EqualTo(1000));
    }

    [Test]
    public void Unary_ThatHangs_EndsAtItsDeadline()
    {
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await _channel.UnaryAsync(
            EchoService.Unary, new EchoMessage { Behaviour = "hang" }, message => message, new GrpcCallOptions(Timeout: TimeSpan.FromMilliseconds(50))))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.DeadlineExceeded));
    }
}
