using NUnit.Framework;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>The tool on a store that a daemon has.</summary>
[TestFixture]
public sealed class RemoteStoreTests : DaemonFixture
{
    [TestCase(false)]
    [TestCase(true)]
    public async Task Commands_OnADaemonsStore_DoWhatTheyDoOnItsOwn(bool unixSocket)
    {
        await using DaemonProcess daemon = await StartAsync("--listen", unixSocket ? At("socket") : "127.0.0.1:0");
        string remote = "grpc+" + await daemon.AddressAsync();
        Assert.That((await OnAsync(remote, "import", MakeTree())).Text, Is.EqualTo(TreePath + "\n"));
        foreach (string[] arguments in new string[][]
        {
            ["list"], ["list", "--json"], ["nar", TreePath], ["nar", TreePath + "/sub/x"], ["narinfo", TreePath], ["ls", "-l", "-R", TreePath], ["tree", TreePath],
            ["cat", TreePath + "/sub/x"], ["info", TreePath], ["info", "--json", TreePath],
        })
        {
            Assert.That((await OnAsync(remote, arguments)).Text, Is.EqualTo((await SucceedAsync(arguments)).Text), string.Join(' ', arguments));
        }

        await OnAsync(remote, "export", TreePath, At("out"));
        Assert.That(File.ReadAllText(At("out/sub/x")), Is.EqualTo("hi\n"));
        Assert.That((await OnAsync(remote, "stats")).Text, Does.Contain("864"));
        await daemon.StopAsync();
    }

    [Test]
    public async Task Commands_ThroughADaemonOfADaemon_ReachTheStore()
    {
        await using DaemonProcess far = await StartAsync("--listen", At("far"));
        await using DaemonProcess near = await DaemonProcess.StartAsync($"grpc+unix:{At("far")}", "--listen", At("near"));
        Assert.That((await OnAsync($"grpc+unix:{At("near")}", "import", MakeTree())).Text, Is.EqualTo(TreePath + "\n"));
        Assert.That((await SucceedAsync("list")).Text, Is.EqualTo(TreePath + "\n"));
        Assert.That((await OnAsync($"grpc+unix:{At("near")}", "nar", TreePath)).Output, Has.Length.EqualTo(864));
    }

    [Test]
    public async Task Commands_WithATokenFile_AreLetIn()
    {
        File.WriteAllText(At("tokens"), "write writer-0123456789\n");
        File.WriteAllText(At("token"), "writer-0123456789\n");
        await using DaemonProcess daemon = await StartAsync("--listen", At("socket"), "--tokens", At("tokens"));
        ToolResult refused = await RunWithAsync(new ToolSetup(), "--store", $"grpc+unix:{At("socket")}", "list");
        Assert.That(refused.Code, Is.EqualTo(ExitCode.Failure));
        Assert.That(refused.Error, Does.Match("^error: [^\n]*token[^\n]*\n$"));
        Assert.That((await OnAsync($"grpc+unix:{At("socket")}?token-file={At("token")}", "import", MakeTree())).Text, Is.EqualTo(TreePath + "\n"));
    }

    [TestCase("list")]
    [TestCase("import")]
    [TestCase("nar")]
    [TestCase("verify")]
    public async Task Commands_NobodyThere_IsOneLine(string command)
    {
        string[] arguments = command switch { "import" => [command, MakeTree()], "nar" => [command, TreePath], _ => [command] };
        ToolResult result = await RunWithAsync(new ToolSetup(), ["--store", $"grpc+unix:{At("nobody")}", .. arguments]);
        Assert.That(result.Code, Is.EqualTo(ExitCode.Failure), result.Error);
        Assert.That(result.Output, Is.Empty);
        Assert.That(result.Error, Does.Match("^error: [^\n]+\n$"));
    }

    [TestCase("grpc+http:")]
    [TestCase("grpc+http://host/path")]
    [TestCase("grpc+http://host?bogus=1")]
    public async Task Commands_WrongAddress_IsRefused(string address) =>
        Assert.That((await RunWithAsync(new ToolSetup(), "--store", address, "list")).Code, Is.EqualTo(ExitCode.BadCommandLine));

    private static async Task<ToolResult> OnAsync(string address, params string[] arguments)
    {
        ToolResult result = await RunWithAsync(new ToolSetup(), ["--store", address, .. arguments]);
        Assert.That(result.Code, Is.Zero, $"{string.Join(' ', arguments)}: {result.Error}");
        return result;
    }
}
