using NUnit.Framework;

namespace Tvix.Store.Cli.Tests;

[TestFixture]
public sealed class CommandLineTests : ToolFixture
{
    private static readonly string[] s_commands =
        ["import", "nar", "narinfo", "ls", "cat", "tree", "export", "copy", "push", "list", "info", "stats", "verify", "key", "rebuild-index", "daemon"];

    [Test]
    public async Task Help_NamesCommandsAndExitCodes()
    {
        ToolResult result = await SucceedAsync("--help");
        foreach (string command in s_commands)
        {
            Assert.That(result.Text, Does.Contain("\n  " + command + " "));
        }

        Assert.That(result.Text, Does.Contain("Exit codes:").And.Contains("STOREPATH is").And.Contains("$TVIX_STORE"));
    }

    [TestCaseSource(nameof(s_commands))]
    public async Task Help_OfACommand_HasExamples(string command)
    {
        ToolResult result = await SucceedAsync(command, "--help");
        Assert.That(result.Text, Does.Contain("Examples:\n").And.Contains("tvix-store " + command));
        Assert.That(result.Text, Does.Contain("--store-dir"));
    }

    [TestCase("generate")]
    [TestCase("public")]
    [TestCase("sign")]
    [TestCase("verify")]
    public async Task Help_OfACommandForKeys_HasExamples(string command)
    {
        ToolResult result = await SucceedAsync("key", command, "--help");
        Assert.That(result.Text, Does.Contain("Examples:\n").And.Contains("tvix-store key " + command));
    }

    [Test]
    public async Task Run_WrongCommandForKeys_NamesItsHelp() =>
        Assert.That(await FailAsync(ExitCode.BadCommandLine, "key", "sign", "--bogus"), Does.Contain("'tvix-store key sign --help'"));

    [Test]
    public async Task Version_IsANumber() => Assert.That((await SucceedAsync("--version")).Text, Does.Match(@"^\d+\.\d+\.\d+\S*\n$"));

    [TestCase]
    [TestCase("bogus")]
    [TestCase("list", "--bogus")]
    [TestCase("list", "bogus")]
    [TestCase("cat")]
    [TestCase("--store-dir", "relative", "list")]
    public async Task Run_WrongCommandLine_IsRefused(params string[] arguments) =>
        Assert.That(await FailAsync(ExitCode.BadCommandLine, arguments), Does.Contain(arguments is [.., "bogus"] ? "'bogus'" : "error"));

    [TestCase("nowhere")]
    [TestCase("bogus:x")]
    [TestCase("local:")]
    [TestCase("local:/tmp/x?level=99")]
    public async Task Run_WrongAddress_IsRefused(string address)
    {
        ToolResult result = await RunWithAsync(new ToolSetup(), "--store", address, "list");
        Assert.That(result.Code, Is.EqualTo(ExitCode.BadCommandLine), result.Error);
        Assert.That(result.Error, Does.StartWith("error: "));
    }

    [TestCase("list")]
    [TestCase("verify")]
    [TestCase("stats")]
    [TestCase("rebuild-index")]
    public async Task Run_NoStoreThere_IsNotFoundAndMakesNone(string command)
    {
        await FailAsync(ExitCode.NotFound, command);
        Assert.That(Directory.Exists(At("store")), Is.False);
    }

    [Test]
    public async Task Run_WithoutStoreOption_TakesTheEnvironment()
    {
        string tree = MakeTree();
        Dictionary<string, string> variables = new()
        {
            ["HOME"] = At("home"),
            ["XDG_DATA_HOME"] = At("da%ta?"),
            ["TVIX_STORE"] = "local:" + At("v"),
        };
        ToolSetup setup = new() { Variables = variables };
        foreach (string expected in new[] { At("v"), At("da%ta?/tvix-store"), At("home/.local/share/tvix-store") })
        {
            Assert.That(Directory.Exists(expected), Is.False);
            Assert.That((await RunWithAsync(setup, "import", tree)).Text, Is.EqualTo(TreePath + "\n"));
            Assert.That(Directory.Exists(expected), Is.True, expected);
            variables.Remove(variables.ContainsKey("TVIX_STORE") ? "TVIX_STORE" : "XDG_DATA_HOME");
        }

        variables.Clear();
        Assert.That((await RunWithAsync(setup, "list")).Code, Is.EqualTo(ExitCode.BadCommandLine));
    }

    [Test]
    public async Task Run_Cancelled_EndsWith130()
    {
        ToolResult result = await RunWithAsync(
            new ToolSetup { CancellationToken = new CancellationToken(canceled: true) }, "--store", StoreAddress, "import", MakeTree());
        Assert.That(result.Code, Is.EqualTo(ExitCode.Interrupted));
        Assert.That(result.Output, Is.Empty);
        Assert.That(result.Error, Is.Empty);
    }

    [Test]
    public async Task Run_ProgressOnATerminal_LeavesTheOutputAlone()
    {
        ToolSetup terminal = new() { ErrorIsTerminal = true };
        ToolResult result = await RunWithAsync(terminal, "--store", StoreAddress, "import", MakeTree());
        Assert.That(result.Text, Is.EqualTo(TreePath + "\n"));
        Assert.That((await RunWithAsync(terminal, "--store", StoreAddress, "nar", TreePath)).Output, Has.Length.EqualTo(864));
        Assert.That((await RunWithAsync(terminal, "--store", StoreAddress, "verify")).Code, Is.Zero);
        Assert.That((await RunWithAsync(terminal, "--store", StoreAddress, "export", TreePath, At("out"))).Code, Is.Zero);
        ToolResult quiet = await RunWithAsync(terminal, "--store", StoreAddress, "--quiet", "import", At("d"));
        Assert.That(quiet.Error, Is.Empty);
        ToolResult failed = await RunWithAsync(terminal, "--store", StoreAddress, "import", At("nothing"));
        Assert.That(failed.Code, Is.EqualTo(ExitCode.NotFound));
    }
}
