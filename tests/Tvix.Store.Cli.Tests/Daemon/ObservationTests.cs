using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>What daemons tell of their work, and how much of it they take on.</summary>
[TestFixture]
public sealed class ObservationTests : DaemonFixture
{
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c";

    [Test]
    public async Task Log_Json_IsOneObjectALine()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync("--log-format", "json");
        await UseAsync(await daemon.AddressAsync());
        await daemon.WaitForAsync("BlobService/Put OK");
        await daemon.StopAsync();
        JsonElement[] lines = [.. daemon.Log.Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        JsonElement call = lines.Single(line => line.GetProperty("Message").GetString()!.Contains("BlobService/Put OK", StringComparison.Ordinal));
        Assert.That(call.GetProperty("State").GetProperty("Method").GetString(), Is.EqualTo("tvix.castore.v1.BlobService/Put"));
        Assert.That(call.GetProperty("LogLevel").GetString(), Is.EqualTo("Information"));
        Assert.That(call.GetProperty("Timestamp").GetDateTimeOffset().Offset, Is.EqualTo(TimeSpan.Zero));
    }

    [TestCase("error", false)]
    [TestCase("WARN", false)]
    [TestCase("info", true)]
    [TestCase("debug", true)]
    public async Task Log_Level_LimitsWhatIsSaid(string level, bool saysAll)
    {
        await using DaemonProcess daemon = DaemonProcess.Launch(StoreAddress, ["--listen", At("socket"), "--log-level", level]);
        using GrpcChannel channel = DaemonProcess.Connect("unix:" + At("socket"));

        // Nothing says that the daemon is ready here: the socket is what there is to ask.
        while (await StoreCalls.StatAsync(channel, NoDigest) != GrpcStatusCode.NotFound)
        {
            await Task.Yield();
        }

        if (saysAll)
        {
            await daemon.WaitForAsync("BlobService/Stat NOT_FOUND");
        }

        await daemon.StopAsync();
        Assert.That(daemon.Log, saysAll ? Does.Contain("BlobService/Stat NOT_FOUND") : Is.Empty);
    }

    [Test]
    public async Task MaxConcurrentCalls_WhenReached_RefusesMore()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync("--max-concurrent-calls", "1");
        using GrpcChannel channel = await daemon.ConnectAsync();
        await using IGrpcCall<byte[], byte[]> upload = await StoreCalls.StartPutAsync(channel);
        Assert.That(await StoreCalls.StatAsync(channel, NoDigest), Is.EqualTo(GrpcStatusCode.ResourceExhausted));
        Assert.That(await StoreCalls.StatusAsync(channel, StoreCalls.Check, []), Is.EqualTo(GrpcStatusCode.Ok), "health is always told");
        Assert.That(await StoreCalls.FinishAsync(upload), Has.Length.EqualTo(32));
    }

    [Test]
    public async Task MaxConnections_WhenReached_RefusesMore()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync("--max-connections", "1");
        using GrpcChannel first = await daemon.ConnectAsync();
        Assert.That(await StoreCalls.StatAsync(first, NoDigest), Is.EqualTo(GrpcStatusCode.NotFound));
        using GrpcChannel second = await daemon.ConnectAsync();
        Assert.That(await StoreCalls.StatAsync(second, NoDigest), Is.EqualTo(GrpcStatusCode.Unavailable));
        Assert.That(await StoreCalls.StatAsync(first, NoDigest), Is.EqualTo(GrpcStatusCode.NotFound));
    }

    [Test]
    public async Task Otlp_CallWithTraceContext_IsExportedAsPartOfTheTrace()
    {
        ConcurrentDictionary<string, byte[]> received = new();
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        await using WebApplication collector = builder.Build();
        collector.Run(async http =>
        {
            using MemoryStream body = new();
            await http.Request.Body.CopyToAsync(body);
            received.AddOrUpdate(http.Request.Path, body.ToArray(), (_, before) => [.. before, .. body.ToArray()]);
            http.Response.ContentType = "application/grpc";
            http.Response.DeclareTrailer("grpc-status");
            await http.Response.Body.WriteAsync(new byte[5]);
            http.Response.AppendTrailer("grpc-status", "0");
        });
        await collector.StartAsync();

        await using DaemonProcess daemon = await StartOnTcpAsync("--otlp", collector.Urls.Single());
        using (GrpcChannel channel = await daemon.ConnectAsync())
        {
            GrpcMetadata headers = new() { { "traceparent", $"00-{TraceId}-b7ad6b7169203331-01" } };
            Assert.That(await StoreCalls.StatusAsync(channel, StoreCalls.StatBlob, StoreCalls.Field(NoDigest), headers), Is.EqualTo(GrpcStatusCode.NotFound));
        }

        await daemon.StopAsync(); // and that sends what is left
        byte[] traces = received["/opentelemetry.proto.collector.trace.v1.TraceService/Export"];
        Assert.That(traces.AsSpan().IndexOf(Convert.FromHexString(TraceId)), Is.Positive);
        Assert.That(traces.AsSpan().IndexOf("tvix.castore.v1.BlobService/Stat"u8), Is.Positive);
        byte[] metrics = received["/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"];
        Assert.That(metrics.AsSpan().IndexOf("tvix.store.grpc.server.calls"u8), Is.Positive);
        Assert.That(metrics.AsSpan().IndexOf("rpc.server.duration"u8), Is.Positive);
        Assert.That(metrics.AsSpan().IndexOf("tvix.castore.operation.duration"u8), Is.Positive);
    }
}
