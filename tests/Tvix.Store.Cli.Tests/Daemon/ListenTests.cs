using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using NUnit.Framework;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>Where daemons listen.</summary>
[TestFixture]
public sealed partial class ListenTests : DaemonFixture
{
    private string Socket => At("socket");

    [Test]
    public async Task Daemon_OnAFreePort_ServesAndTellsThePort()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync("--port-file", At("port"));
        string address = await daemon.AddressAsync();
        Assert.That(address, Is.EqualTo($"http://127.0.0.1:{File.ReadAllText(At("port")).TrimEnd()}"));
        await UseAsync(address);
        await daemon.WaitForAsync("tvix.castore.v1.BlobService/Stat NOT_FOUND in ");
        await daemon.StopAsync();
        Assert.That(daemon.Log, Does.Not.Contain("warn:").And.Contains("tvix.castore.v1.BlobService/Put OK in "));
        Assert.That((await SucceedAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
    }

    [Test]
    public async Task Daemon_OnSeveralAddresses_ServesOnEach()
    {
        string name = $"@tvix-store-test-{Guid.NewGuid():N}";
        await using DaemonProcess daemon =
            await StartAsync("-l", "127.0.0.1:0", "--listen-address", "[::]:0", "--listen", Socket, "-l", name, "--port-file", At("ports"));
        string dual = await daemon.AddressAsync(1);
        Assert.That(dual, Does.StartWith("http://[::]:"));
        Assert.That(await daemon.AddressAsync(2), Is.EqualTo("unix:" + Socket));
        Assert.That(await daemon.AddressAsync(3), Is.EqualTo(name));
        string port = dual["http://[::]:".Length..];
        Assert.That(File.ReadAllLines(At("ports")), Has.Length.EqualTo(2).And.ItemAt(1).EqualTo(port));
        foreach (string address in new[] { await daemon.AddressAsync(), $"http://127.0.0.1:{port}", "unix:" + Socket, name })
        {
            await UseAsync(address);
        }

        Assert.That(daemon.Log, Does.Contain($"Whoever can reach {dual} can write"));
        Assert.That(daemon.Log, Does.Match(@"Stat OK in [0-9.]+ ms for 127\.0\.0\.1:\d+, token none").And.Match("Stat OK in [0-9.]+ ms for unix, token none"));
        await daemon.StopAsync();
    }

    [TestCase(null, "660")]
    [TestCase("--unix-listen-mode=0600", "600")]
    [TestCase("--unix-listen-mode=777", "777")]
    [TestCase("--unix-listen-chmod=owner", "600")]
    [TestCase("--unix-listen-chmod=group", "660")]
    [TestCase("--unix-listen-chmod=everybody", "666")]
    public async Task Daemon_OnAUnixSocket_HasTheModeAndRemovesTheFile(string? option, string mode)
    {
        string[] arguments = option is null ? [] : [option];
        await using DaemonProcess daemon = await StartAsync(["--listen", "unix:" + Socket, .. arguments]);
        Assert.That(File.GetUnixFileMode(Socket), Is.EqualTo((UnixFileMode)Convert.ToInt32(mode, 8)));
        await UseAsync(await daemon.AddressAsync());
        await daemon.StopAsync();
        Assert.That(PathOnDisk.Exists(Socket), Is.False);
    }

    [Test]
    public async Task Daemon_SocketLeftBehind_IsReplacedOnlyWhenAskedTo()
    {
        using (System.Net.Sockets.Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            // Bound under another name, so that disposing it leaves the file.
            left.Bind(new UnixDomainSocketEndPoint(At("other")));
            File.Move(At("other"), Socket);
        }

        await using DaemonProcess refused = DaemonProcess.Launch(StoreAddress, ["--listen", Socket]);
        Assert.That(await refused.WaitForExitAsync(), Is.EqualTo(ExitCode.Failure));
        Assert.That(refused.Log, Does.StartWith("error: ").And.Contains("--unix-listen-unlink").And.Not.Contains("\n"));

        await using DaemonProcess daemon = await StartAsync("--listen", Socket, "--unix-listen-unlink");
        await UseAsync("unix:" + Socket);
    }

    [Test]
    public async Task Daemon_FileThatIsNoSocket_IsNeverReplaced()
    {
        File.WriteAllText(Socket, "precious");
        await using DaemonProcess daemon = DaemonProcess.Launch(StoreAddress, ["--listen", Socket, "--unix-listen-unlink"]);
        Assert.That(await daemon.WaitForExitAsync(), Is.EqualTo(ExitCode.Failure));
        Assert.That(daemon.Log, Does.StartWith("error: ").And.Not.Contains("\n"));
        Assert.That(File.ReadAllText(Socket), Is.EqualTo("precious"));
    }

    [Test]
    public async Task Daemon_PortInUse_IsOneLine()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        await using DaemonProcess daemon = DaemonProcess.Launch(StoreAddress, ["--listen", taken.LocalEndpoint.ToString()!]);
        Assert.That(await daemon.WaitForExitAsync(), Is.EqualTo(ExitCode.Failure));
        Assert.That(daemon.Log, Does.StartWith("error: The daemon cannot listen: ").And.Not.Contains("\n"));
    }

    [TestCase("sd-listen", 1)]
    [TestCase("sd_listen", 1)]
    [TestCase("sd-listen:other", 1)]
    [TestCase("sd-listen:*", 2)]
    public async Task Daemon_PassedSockets_ServesOnThem(string address, int count)
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        int descriptor = (int)listener.Server.Handle;
        Assert.That(Fcntl(descriptor, SetDescriptorFlags, 0), Is.Zero); // without close-on-exec
        Dictionary<string, string> variables = new() { ["LISTEN_FDS"] = "2", ["LISTEN_FDNAMES"] = "first:other" };
        await using DaemonProcess daemon = DaemonProcess.Launch(StoreAddress, ["--listen", address], variables, descriptor);
        Assert.That(await daemon.AddressAsync(count - 1), Is.EqualTo($"http://{listener.LocalEndpoint}"));
        await UseAsync($"http://{listener.LocalEndpoint}");
        await daemon.StopAsync();
    }

    [Test]
    public async Task Daemon_PassedUnixSocket_ServesOnIt()
    {
        using System.Net.Sockets.Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Socket));
        listener.Listen();
        int descriptor = (int)listener.Handle;
        Assert.That(Fcntl(descriptor, SetDescriptorFlags, 0), Is.Zero);
        await using DaemonProcess daemon =
            DaemonProcess.Launch(StoreAddress, ["--listen", "sd-listen"], new Dictionary<string, string> { ["LISTEN_FDS"] = "1" }, descriptor);
        Assert.That(await daemon.AddressAsync(), Is.EqualTo("passed socket 3"));
        await UseAsync("unix:" + Socket);
        await daemon.StopAsync();
        Assert.That(PathOnDisk.Exists(Socket), Is.True, "the file of a passed socket is not the daemon's");
    }

    [Test]
    public async Task Daemon_NoSocketsPassed_IsRefused()
    {
        await using DaemonProcess daemon = DaemonProcess.Launch(
            StoreAddress, ["--listen", "sd-listen"], new Dictionary<string, string> { ["LISTEN_PID"] = "1", ["LISTEN_FDS"] = "1" });
        Assert.That(await daemon.WaitForExitAsync(), Is.EqualTo(ExitCode.BadCommandLine));
        Assert.That(daemon.Log, Does.StartWith("error: ").And.Contains("LISTEN_PID").And.Not.Contains("\n"));
    }

    private const int SetDescriptorFlags = 2; // F_SETFD

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Fcntl(int descriptor, int command, int argument);
}
