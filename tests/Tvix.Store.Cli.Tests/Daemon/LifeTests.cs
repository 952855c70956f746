using System.Net.Sockets;
using System.Text;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>How daemons begin and end.</summary>
[TestFixture]
public sealed class LifeTests : DaemonFixture
{
    [TestCase(DaemonProcess.Terminate)]
    [TestCase(DaemonProcess.Interrupt)]
    public async Task Signal_DuringAnUpload_LetsItEnd(int signal)
    {
        await using DaemonProcess daemon = await StartOnTcpAsync();
        using GrpcChannel channel = await daemon.ConnectAsync();
        await using IGrpcCall<byte[], byte[]> upload = await StoreCalls.StartPutAsync(channel);
        daemon.Signal(signal);
        await daemon.WaitForAsync("no new calls are taken");
        using GrpcChannel late = await daemon.ConnectAsync();
        Assert.That(await RefusedAsync(late), Is.EqualTo(GrpcStatusCode.Unavailable));

        await upload.WriteAsync(StoreCalls.Field(Contents));
        byte[] digest = await StoreCalls.FinishAsync(upload);
        Assert.That(await daemon.WaitForExitAsync(), Is.Zero, daemon.Log);
        Assert.That(daemon.Log, Does.Contain("BlobService/Put OK").And.EndsWith("ended").And.Not.Contains("cut"));

        await using DaemonProcess next = await StartOnTcpAsync();
        using GrpcChannel again = await next.ConnectAsync();
        Assert.That(await StoreCalls.StatAsync(again, digest), Is.EqualTo(GrpcStatusCode.Ok));
    }

    [Test]
    public async Task Signal_WhoWatchesHealth_HearsOfIt()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync();
        using GrpcChannel channel = await daemon.ConnectAsync();
        await using IAsyncEnumerator<byte[]> health = channel.ServerStreamingAsync(StoreCalls.Watch, []).GetAsyncEnumerator();
        Assert.That(await health.MoveNextAsync(), Is.True);
        Assert.That(health.Current, Is.EqualTo((byte[])[8, 1]), "SERVING");
        daemon.Signal(DaemonProcess.Terminate);
        Assert.That(await health.MoveNextAsync(), Is.True);
        Assert.That(health.Current, Is.EqualTo((byte[])[8, 2]), "NOT_SERVING");
        Assert.That(await health.MoveNextAsync(), Is.False);
        Assert.That(await daemon.WaitForExitAsync(), Is.Zero, daemon.Log);
    }

    [Test]
    public async Task Signal_UploadThatDoesNotEnd_IsCut()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync("--drain-timeout", "0.1");
        using GrpcChannel channel = await daemon.ConnectAsync();
        await using IGrpcCall<byte[], byte[]> upload = await StoreCalls.StartPutAsync(channel);
        await daemon.StopAsync();
        Assert.That(daemon.Log, Does.Contain("1 calls took too long and were cut.").And.EndsWith("ended"));
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await StoreCalls.FinishAsync(upload))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Unavailable).Or.EqualTo(GrpcStatusCode.Cancelled).Or.EqualTo(GrpcStatusCode.Internal));
        Assert.That((await SucceedAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
    }

    [Test]
    public async Task Signal_SecondOne_EndsAtOnce()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync("--drain-timeout", "3600");
        using GrpcChannel channel = await daemon.ConnectAsync();
        await using IGrpcCall<byte[], byte[]> upload = await StoreCalls.StartPutAsync(channel);
        daemon.Signal(DaemonProcess.Terminate);
        await daemon.WaitForAsync("no new calls are taken");
        daemon.Signal(DaemonProcess.Terminate);
        Assert.That(await daemon.WaitForExitAsync(), Is.EqualTo(ExitCode.Terminated));
        Assert.That(daemon.Log, Does.Not.Contain("ended"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Daemon_WithAServiceManager_TellsHowItDoes(bool isAbstract)
    {
        string name = isAbstract ? $"@tvix-store-test-{Guid.NewGuid():N}" : At("notify");
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + name[1..] : name));
        Dictionary<string, string> variables = new() { ["NOTIFY_SOCKET"] = name, ["WATCHDOG_USEC"] = "50000" };
        await using DaemonProcess daemon = DaemonProcess.Launch(StoreAddress, ["--listen", "127.0.0.1:0"], variables);

        Assert.That(await ReceiveAsync(manager, null), Is.EqualTo("READY=1\n"));
        await daemon.AddressAsync(); // it said so before
        Assert.That(await ReceiveAsync(manager, null), Is.EqualTo("WATCHDOG=1\n"));
        Assert.That(await ReceiveAsync(manager, null), Is.EqualTo("WATCHDOG=1\n"));
        daemon.Signal(DaemonProcess.Hangup);
        Assert.That(await ReceiveAsync(manager, "WATCHDOG"), Does.Match("^RELOADING=1\nMONOTONIC_USEC=[0-9]+\n$"));
        Assert.That(await ReceiveAsync(manager, "WATCHDOG"), Is.EqualTo("READY=1\n"));
        daemon.Signal(DaemonProcess.Terminate);
        Assert.That(await ReceiveAsync(manager, "WATCHDOG"), Is.EqualTo("STOPPING=1\n"));
        Assert.That(await daemon.WaitForExitAsync(), Is.Zero);
    }

    [Test]
    public async Task Daemon_WithoutWatchdog_SendsNoPings()
    {
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(At("notify")));
        Dictionary<string, string> variables = new() { ["NOTIFY_SOCKET"] = At("notify"), ["WATCHDOG_USEC"] = "1000", ["WATCHDOG_PID"] = "1" };
        await using DaemonProcess daemon = DaemonProcess.Launch(StoreAddress, ["--listen", "127.0.0.1:0"], variables);
        Assert.That(await ReceiveAsync(manager, null), Is.EqualTo("READY=1\n"));
        await daemon.StopAsync();
        Assert.That(await ReceiveAsync(manager, null), Is.EqualTo("STOPPING=1\n"));
        Assert.That(manager.Available, Is.Zero);
    }

    /// <summary>The next message that does not begin with something.</summary>
    private static async Task<string> ReceiveAsync(Socket socket, string? except)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(2));
        byte[] buffer = new byte[4096];
        while (true)
        {
            int length = await socket.ReceiveAsync(buffer, patience.Token);
            string text = Encoding.UTF8.GetString(buffer, 0, length);
            if (except is null || !text.StartsWith(except, StringComparison.Ordinal))
            {
                return text;
            }
        }
    }

    /// <summary>The message that calls end is logged a moment before the port is closed.</summary>
    private static async Task<GrpcStatusCode> RefusedAsync(GrpcChannel channel)
    {
        while (true)
        {
            GrpcStatusCode status = await StoreCalls.StatusAsync(channel, StoreCalls.StatBlob, StoreCalls.Field(NoDigest));
            if (status != GrpcStatusCode.NotFound)
            {
                return status;
            }
        }
    }
}
