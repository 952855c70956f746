using System.Formats.Tar;
using System.Net.Sockets;
using System.Text.Json;
using NUnit.Framework;

namespace Tvix.Store.Cli.Tests.Commands;

[TestFixture]
public sealed class ImportCommandTests : ToolFixture
{
    [Test]
    public async Task Import_ATree_PrintsThePathThatNixPrints()
    {
        ToolResult result = await SucceedAsync("import", MakeTree());
        Assert.That(result.Text, Is.EqualTo(TreePath + "\n"));
    }

    [Test]
    public async Task Import_SeveralPaths_PrintsThemInOrder()
    {
        MakeTree();
        ToolResult result = await SucceedAsync("import", At("d/sub/x"), At("d"), At("d/l"));
        Assert.That(result.Lines.Select(line => line[44..]), Is.EqualTo(["x", "d", "l"]));
    }

    [Test]
    public async Task Import_WithName_TakesTheName()
    {
        ToolResult result = await SucceedAsync("import", MakeTree(), "--name", "other-1.0");
        Assert.That(result.Text, Does.EndWith("-other-1.0\n").And.Not.StartsWith(TreePath[..43]));
    }

    [Test]
    public async Task Import_Json_GivesPathInfos()
    {
        ToolResult result = await SucceedAsync("import", "--json", MakeTree(), At("d/l"));
        Assert.That(result.Json.GetArrayLength(), Is.EqualTo(2));
        JsonElement tree = result.Json[0];
        Assert.That(tree.GetProperty("path").GetString(), Is.EqualTo(TreePath));
        Assert.That(tree.GetProperty("narSize").GetInt64(), Is.EqualTo(864));
        Assert.That(tree.GetProperty("ca").GetString(), Is.EqualTo("fixed:r:" + tree.GetProperty("narHash").GetString()));
        Assert.That(tree.GetProperty("references").GetArrayLength(), Is.Zero);
        Assert.That(tree.GetProperty("node").GetProperty("type").GetString(), Is.EqualTo("directory"));
        Assert.That(result.Json[1].GetProperty("node").GetProperty("target").GetString(), Is.EqualTo("sub"));
    }

    [Test]
    public async Task Import_References_AreRecordedAndChangeThePath()
    {
        const string Reference = "00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60";
        ToolResult result = await SucceedAsync("import", "--json", "--references", Reference, MakeTree());
        Assert.That(result.Json[0].GetProperty("references")[0].GetString(), Is.EqualTo("/nix/store/" + Reference));
        Assert.That(result.Json[0].GetProperty("path").GetString(), Is.Not.EqualTo(TreePath));
    }

    [Test]
    public async Task Import_ReferenceByHashAlone_IsLookedUpInTheStore()
    {
        await SucceedAsync("import", MakeTree());
        ToolResult result = await SucceedAsync("import", "--json", "--references", TreePath[11..43], At("d/e"));
        Assert.That(result.Json[0].GetProperty("references")[0].GetString(), Is.EqualTo(TreePath));
        await FailAsync(ExitCode.NotFound, "import", "--references", new string('0', 32), At("d/e"));
    }

    [Test]
    public async Task Import_ScanReferences_FindsWhatTheStoreHas()
    {
        await SucceedAsync("import", MakeTree());
        File.WriteAllText(At("user"), $"#!{TreePath}/sub/x\n");
        ToolResult without = await SucceedAsync("import", "--json", At("user"));
        Assert.That(without.Json[0].GetProperty("references").GetArrayLength(), Is.Zero);
        ToolResult with = await SucceedAsync("import", "--json", "--scan-references", At("user"));
        Assert.That(with.Json[0].GetProperty("references")[0].GetString(), Is.EqualTo(TreePath));
    }

    [Test]
    public async Task Import_WithAChangeCache_PrintsTheSameAndKeepsAFile()
    {
        string tree = MakeTree();
        for (int i = 0; i < 2; i++)
        {
            Assert.That((await SucceedAsync("import", "--change-cache-file", At("c/one.db"), tree)).Text, Is.EqualTo(TreePath + "\n"));
        }

        Assert.That(File.Exists(At("c/one.db")), Is.True);
        (string Name, string Value, string File)[] places =
        [
            ("XDG_CACHE_HOME", At("caches"), At("caches/tvix-store/changes.db")),
            ("HOME", At("home"), At("home/.cache/tvix-store/changes.db")),
            ("TVIX_CHANGE_CACHE", At("c/two.db"), At("c/two.db")),
        ];
        foreach ((string name, string value, string file) in places)
        {
            ToolSetup setup = new() { Variables = { [name] = value } };
            ToolResult result = await RunWithAsync(setup, "--store", StoreAddress, "import", "--change-cache", tree);
            Assert.That(result.Text, Is.EqualTo(TreePath + "\n"), result.Error);
            Assert.That(result.Error, Is.Empty);
            Assert.That(File.Exists(file), Is.True, file);
        }
    }

    [Test]
    public async Task Import_ChangeCacheOfTheEnvironment_NeedsNoOption()
    {
        ToolSetup setup = new() { Variables = { ["TVIX_CHANGE_CACHE"] = At("c.db"), ["HOME"] = At("home") } };
        string tree = MakeTree();
        await RunWithAsync(setup, "--store", StoreAddress, "import", tree);
        Assert.That(File.Exists(At("c.db")), Is.True);
        setup = new() { Variables = { ["TVIX_CHANGE_CACHE"] = "", ["HOME"] = At("home") } };
        await RunWithAsync(setup, "--store", StoreAddress, "import", tree);
        Assert.That(Directory.Exists(At("home")), Is.False, "no cache unless it is asked for");
    }

    [Test]
    public async Task Import_WithABrokenChangeCache_WarnsAndSucceeds()
    {
        File.WriteAllText(At("letter"), new string('x', 5000));
        ToolResult result = await RunAsync("import", "--change-cache-file", At("letter"), MakeTree());
        Assert.That(result.Code, Is.Zero);
        Assert.That(result.Text, Is.EqualTo(TreePath + "\n"));
        Assert.That(result.Error, Does.StartWith($"warning: The change cache '{At("letter")}' is not used: ").And.EndsWith("\n"));
        Assert.That(result.Error.Count(c => c == '\n'), Is.EqualTo(1));
        Assert.That(File.ReadAllText(At("letter")), Has.Length.EqualTo(5000));
    }

    [Test]
    public async Task Import_ChangeCacheThatMakesNoSense_IsTheCommandLinesFault()
    {
        Assert.That(await FailAsync(ExitCode.BadCommandLine, "import", "--change-cache", MakeTree()), Does.Contain("$TVIX_CHANGE_CACHE"));
        Assert.That(await FailAsync(ExitCode.BadCommandLine, "import", "--change-cache-file", "", At("d")), Does.Contain("--change-cache-file"));
        Assert.That(await FailAsync(ExitCode.BadCommandLine, "import", "--change-cache", "--tar", "-", "--name", "x"), Does.Contain("--tar"));
    }

    [Test]
    public async Task Import_SeveralProcessesWithOneChangeCache_AllSucceed()
    {
        string tree = MakeTree();
        ToolResult[] results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => ToolProcess.RunAsync(StoreAddress, "import", "--change-cache-file", At("c.db"), tree)));
        Assert.That(results.Select(result => (result.Code, result.Text, result.Error)), Is.All.EqualTo((0, TreePath + "\n", "")));
    }

    [Test]
    public async Task Import_Flat_IsNamedByTheContents()
    {
        MakeTree();
        ToolResult result = await SucceedAsync("import", "--flat", "--json", At("d/sub/x"));
        Assert.That(result.Json[0].GetProperty("ca").GetString(), Does.StartWith("fixed:sha256:"));
        await FailAsync(ExitCode.Failure, "import", "--flat", At("d"));
    }

    [Test]
    public async Task Import_Tar_GivesThePathOfTheTree()
    {
        await TarFile.CreateFromDirectoryAsync(MakeTree(), At("d.tar"), includeBaseDirectory: true);
        ToolResult file = await SucceedAsync("import", "--tar", At("d.tar"), "--name", "d");
        Assert.That(file.Text, Is.EqualTo(TreePath + "\n"));
        ToolResult input = await RunWithAsync(
            new ToolSetup { Input = await File.ReadAllBytesAsync(At("d.tar")) },
            "--store", "local:" + At("other"), "import", "--tar", "-", "--name", "d");
        Assert.That(input.Text, Is.EqualTo(TreePath + "\n"), input.Error);
    }

    [Test]
    public async Task Import_TarTop_TakesTheArchiveAsTheTree()
    {
        await TarFile.CreateFromDirectoryAsync(MakeTree(), At("d.tar"), includeBaseDirectory: false);
        await FailAsync(ExitCode.Failure, "import", "--tar", At("d.tar"), "--name", "d");
        ToolResult result = await SucceedAsync("import", "--tar", At("d.tar"), "--name", "d", "--tar-top");
        Assert.That(result.Text, Is.EqualTo(TreePath + "\n"));
    }

    [Test]
    public async Task Import_TarScanReferences_FindsWhatTheStoreHas()
    {
        await SucceedAsync("import", MakeTree());
        Directory.CreateDirectory(At("user/bin"));
        File.WriteAllText(At("user/bin/run"), $"exec {TreePath}/sub/x\n");
        await TarFile.CreateFromDirectoryAsync(At("user"), At("user.tar"), includeBaseDirectory: true);
        ToolResult result = await SucceedAsync("import", "--json", "--tar", At("user.tar"), "--name", "user", "--scan-references");
        Assert.That(result.Json[0].GetProperty("references")[0].GetString(), Is.EqualTo(TreePath));
        ToolResult fromDisk = await SucceedAsync("import", "--scan-references", At("user"));
        Assert.That(fromDisk.Lines[0], Is.EqualTo(result.Json[0].GetProperty("path").GetString()));
    }

    [TestCase("import")]
    [TestCase("import", "")]
    [TestCase("import", "a", "b", "--name", "n")]
    [TestCase("import", "a", "--tar", "b", "--name", "n")]
    [TestCase("import", "--tar", "b")]
    [TestCase("import", "--tar", "b", "--name", "n", "--flat")]
    [TestCase("import", "a", "--tar-top")]
    [TestCase("import", "a", "--references", "no-store-path")]
    [TestCase("import", "/dev/null", "--name", "a b")]
    public async Task Import_WrongCommandLine_IsRefused(params string[] arguments) => await FailAsync(ExitCode.BadCommandLine, arguments);

    [Test]
    public async Task Import_MissingPath_IsNotFound()
    {
        Assert.That(await FailAsync(ExitCode.NotFound, "import", At("nothing")), Does.Contain("nothing"));
        await FailAsync(ExitCode.NotFound, "import", "--tar", At("nothing"), "--name", "n");
    }

    [Test]
    public async Task Import_ASocket_FailsUnlessItIsSkipped()
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(MakeTree(), "socket")));
        Assert.That(await FailAsync(ExitCode.Failure, "import", At("d")), Does.Contain("socket"));
        Assert.That((await SucceedAsync("import", "--skip-unsupported", At("d"))).Text, Is.EqualTo(TreePath + "\n"));
        await FailAsync(ExitCode.Failure, "nar", At("d/socket"));
        Assert.That((await SucceedAsync("nar", "--skip-unsupported", At("d"))).Output, Has.Length.EqualTo(864));
        await FailAsync(ExitCode.Failure, "import", "--skip-unsupported", At("d/socket"));
    }

    [Test]
    public async Task Import_Again_AddsNoData()
    {
        await SucceedAsync("import", MakeTree());
        JsonElement before = (await SucceedAsync("stats", "--json")).Json;
        await SucceedAsync("import", At("d"));
        JsonElement after = (await SucceedAsync("stats", "--json")).Json;
        foreach (string key in new[] { "storePaths", "uniqueBytes", "chunks", "directories" })
        {
            Assert.That(after.GetProperty(key).GetInt64(), Is.EqualTo(before.GetProperty(key).GetInt64()), key);
        }
    }

    [Test]
    public async Task Import_OtherStoreDirectory_GivesOtherPaths()
    {
        ToolResult result = await SucceedAsync("--store-dir", "/gnu/store", "import", MakeTree());
        Assert.That(result.Text, Does.StartWith("/gnu/store/").And.Not.Contains(TreePath[11..43]));
        Assert.That((await SucceedAsync("--store-dir", "/gnu/store", "ls", result.Lines[0])).Lines, Is.EqualTo(["e", "l", "sub"]));
    }
}
