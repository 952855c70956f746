using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>Daemons on the test's store.</summary>
public abstract class DaemonFixture : ToolFixture
{
    private protected static readonly byte[] Contents = [1, 2, 3];

    private protected static readonly byte[] NoDigest = new byte[32];

    private protected Task<DaemonProcess> StartAsync(params string[] arguments) => DaemonProcess.StartAsync(StoreAddress, arguments);

    private protected Task<DaemonProcess> StartOnTcpAsync(params string[] arguments) => StartAsync(["--listen", "127.0.0.1:0", .. arguments]);

    /// <summary>Stores a blob and finds it.</summary>
    private protected static async Task UseAsync(string address, string? token = null)
    {
        using GrpcChannel channel = DaemonProcess.Connect(address, token);
        byte[] digest = await StoreCalls.PutAsync(channel, Contents);
        Assert.That(digest, Has.Length.EqualTo(32));
        Assert.That(await StoreCalls.StatAsync(channel, digest), Is.EqualTo(GrpcStatusCode.Ok));
        Assert.That(await StoreCalls.StatAsync(channel, NoDigest), Is.EqualTo(GrpcStatusCode.NotFound));
    }
}
