using System.Text;
using System.Text.Json;
using NUnit.Framework;

namespace Tvix.Store.Cli.Tests.Commands;

/// <summary>The commands that show what one store path has.</summary>
[TestFixture]
public sealed class ReadingCommandsTests : ToolFixture
{
    private const string Hash = "j0cf8bsvzn1zw8j0b6pvk3zq3a9x7p2n";

    [SetUp]
    public async Task ImportTree() => await SucceedAsync("import", MakeTree());

    [Test]
    public async Task Nar_StorePathAndPath_AreTheSame()
    {
        ToolResult stored = await SucceedAsync("nar", TreePath);
        ToolResult onDisk = await SucceedAsync("nar", At("d"));
        Assert.That(stored.Output, Has.Length.EqualTo(864));
        Assert.That(onDisk.Output, Is.EqualTo(stored.Output));
        Assert.That(stored.Text, Does.Contain("nix-archive-1"));
    }

    [Test]
    public async Task Nar_SubPath_IsTheArchiveOfThatPart()
    {
        ToolResult stored = await SucceedAsync("nar", TreePath + "/sub");
        Assert.That(stored.Output, Is.EqualTo((await SucceedAsync("nar", At("d/sub"))).Output));
    }

    [Test]
    public async Task Nar_OfAPathOnDisk_NeedsNoStore()
    {
        ToolResult result = await RunWithAsync(new ToolSetup(), "--store", "local:" + At("other"), "nar", At("d/e"));
        Assert.That(result.Code, Is.Zero, result.Error);
        Assert.That(Directory.Exists(At("other")), Is.False);
    }

    [TestCase(TreePath)]
    [TestCase("d")]
    public async Task Nar_Hash_IsThatOfTheArchive(string what) => Assert.That(
        (await SucceedAsync("nar", "--hash", what == "d" ? At(what) : what)).Text,
        Is.EqualTo("sha256:10c546m0z23vb80bca9qcnhflrypqgybliybr61jndysjfxnm543 864\n"));

    [Test]
    public async Task Nar_NothingThere_IsNotFound()
    {
        await FailAsync(ExitCode.NotFound, "nar", At("nothing"));
        await FailAsync(ExitCode.NotFound, "nar", new string('0', 32));
        await FailAsync(ExitCode.NotFound, "nar", TreePath + "/nothing");
    }

    [TestCase(TreePath)]
    [TestCase(Hash + "-d")]
    [TestCase(Hash)]
    [TestCase(TreePath + "/")]
    [TestCase(Hash + "//./")]
    public async Task Ls_AnyFormOfAStorePath_ListsIt(string form) =>
        Assert.That((await SucceedAsync("ls", form)).Lines, Is.EqualTo(["e", "l", "sub"]));

    [Test]
    public async Task Ls_SubPathAndFile_AreListed()
    {
        Assert.That((await SucceedAsync("ls", Hash + "/sub")).Lines, Is.EqualTo(["x"]));
        Assert.That((await SucceedAsync("ls", Hash + "/sub/x")).Lines, Is.EqualTo(["x"]));
    }

    [Test]
    public async Task Ls_LongRecursive_ShowsEverything()
    {
        ToolResult result = await SucceedAsync("ls", "-lR", Hash);
        Assert.That(result.Lines, Is.EqualTo((string[])
        [
            "-r--r--r--                    0 e",
            "lrwxrwxrwx                    0 l -> sub",
            "dr-xr-xr-x                    0 sub",
            "-r-xr-xr-x                    3 sub/x",
        ]));
    }

    [Test]
    public async Task Ls_Json_IsWhatNixPrints()
    {
        const string Sub = """{"type":"directory","entries":{"x":{"type":"regular","size":3,"executable":true,"narOffset":776}}}""";
        Assert.That((await SucceedAsync("ls", "--json", "-R", Hash + "/sub")).Text, Is.EqualTo(Sub + "\n"));
        Assert.That(
            (await SucceedAsync("ls", "--json", "-R", Hash)).Text,
            Is.EqualTo(
                """{"type":"directory","entries":{"e":{"type":"regular","size":0,"narOffset":232},"l":{"type":"symlink","target":"sub"},"""
                + "\"sub\":" + Sub + "}}\n"));
        Assert.That(
            (await SucceedAsync("ls", "--json", Hash)).Text,
            Is.EqualTo("""{"type":"directory","entries":{"e":{},"l":{},"sub":{}}}""" + "\n"));
    }

    [Test]
    public async Task Ls_NamesWithControlCharacters_AreRawInPipesAndShownOnTerminals()
    {
        Directory.CreateDirectory(At("odd"));
        File.WriteAllText(At("odd/\u001b[31mä"), "");
        string path = (await SucceedAsync("import", At("odd"))).Lines[0];
        Assert.That((await SucceedAsync("ls", path)).Text, Is.EqualTo("\u001b[31mä\n"));
        ToolResult shown = await RunWithAsync(new ToolSetup { OutputIsTerminal = true }, "--store", StoreAddress, "ls", path);
        Assert.That(shown.Text, Is.EqualTo("\\x1b[31mä\n"));
        Assert.That((await SucceedAsync("cat", path + "/\u001b[31mä")).Output, Is.Empty);
    }

    [Test]
    public async Task Cat_File_GivesItsContents()
    {
        Assert.That((await SucceedAsync("cat", Hash + "/sub/x")).Text, Is.EqualTo("hi\n"));
        string path = (await SucceedAsync("import", At("d/sub/x"))).Lines[0];
        Assert.That((await SucceedAsync("cat", path)).Text, Is.EqualTo("hi\n"));
    }

    [Test]
    public async Task Cat_SomethingElse_Fails()
    {
        Assert.That(await FailAsync(ExitCode.Failure, "cat", Hash + "/sub"), Does.Contain("folder"));
        Assert.That(await FailAsync(ExitCode.Failure, "cat", Hash + "/l"), Does.Contain("symbolic link to 'sub'"));
        await FailAsync(ExitCode.NotFound, "cat", Hash + "/l/x");
        await FailAsync(ExitCode.NotFound, "cat", Hash + "/nothing");
        await FailAsync(ExitCode.BadCommandLine, "cat", Hash + "/../x");
    }

    [Test]
    public async Task Tree_DrawsTheTree()
    {
        ToolResult result = await SucceedAsync("tree", Hash);
        Assert.That(result.Text, Is.EqualTo($"""
            {TreePath}/
            ├── e (0 B)
            ├── l -> sub
            └── sub/
                └── x* (3 B)

            2 folders, 2 files, 1 links, 3 B

            """));
    }

    [Test]
    public async Task Tree_LevelsThatGoOn_HaveALine()
    {
        Directory.CreateDirectory(At("t/a/b"));
        File.WriteAllText(At("t/a/b/c"), "");
        File.WriteAllText(At("t/z"), "");
        string path = (await SucceedAsync("import", At("t"))).Lines[0];
        Assert.That((await SucceedAsync("tree", path)).Text, Does.Contain("""
            ├── a/
            │   └── b/
            │       └── c (0 B)
            └── z (0 B)
            """));
    }

    [Test]
    public async Task Export_WritesTheTree()
    {
        await SucceedAsync("export", Hash, At("out"));
        Assert.That(File.ReadAllText(At("out/sub/x")), Is.EqualTo("hi\n"));
        Assert.That(File.GetUnixFileMode(At("out/sub/x")).HasFlag(UnixFileMode.UserExecute), Is.True);
        Assert.That(File.GetUnixFileMode(At("out/e")).HasFlag(UnixFileMode.UserExecute), Is.False);
        Assert.That(new FileInfo(At("out/l")).LinkTarget, Is.EqualTo("sub"));
        await SucceedAsync("export", Hash + "/sub/x", At("x"));
        Assert.That(File.ReadAllText(At("x")), Is.EqualTo("hi\n"));
    }

    [Test]
    public async Task Export_WithALinkFolder_SharesFiles()
    {
        await SucceedAsync("export", "--link-folder", At("links"), Hash, At("first"));
        await SucceedAsync("export", "--link-folder", At("links"), "--check-links", Hash, At("second"));
        Assert.That(File.ReadAllText(At("second/sub/x")), Is.EqualTo("hi\n"));
        File.SetUnixFileMode(At("first/sub/x"), (UnixFileMode)0x1ff);
        Assert.That(File.GetUnixFileMode(At("second/sub/x")), Is.EqualTo((UnixFileMode)0x1ff), "it is one file");
        Assert.That(await FailAsync(ExitCode.BadCommandLine, "export", "--check-links", Hash, At("third")), Does.Contain("--link-folder"));
        Assert.That(await FailAsync(ExitCode.BadCommandLine, "export", "--link-folder", "", Hash, At("third")), Does.Contain("empty"));
    }

    [Test]
    public async Task Export_WithReflinks_WritesFilesOfTheirOwn()
    {
        // Whether or not the file system can clone files.
        foreach (string target in (string[])["first", "second"])
        {
            ToolResult result = await RunAsync("export", "--link-folder", At("links"), "--reflink", "--check-links", Hash, At(target));
            Assert.That(result.Code, Is.Zero);
            Assert.That(result.Error, Is.Empty.Or.StartWith("notice: ").And.Contain("reflink"));
        }

        File.WriteAllText(At("first/sub/x"), "changed");
        Assert.That(File.ReadAllText(At("second/sub/x")), Is.EqualTo("hi\n"));
        Assert.That(await FailAsync(ExitCode.BadCommandLine, "export", "--reflink", Hash, At("third")), Does.Contain("--link-folder"));
    }

    [Test]
    public async Task Export_WithALinkFolderOnAnotherFileSystem_CopiesAndSaysSo()
    {
        string links = Path.Combine("/dev/shm", "tvix-links-" + Path.GetRandomFileName());
        if (!Directory.Exists("/dev/shm") || Folder.StartsWith("/dev/shm", StringComparison.Ordinal))
        {
            Assert.Ignore("There is no other file system.");
        }

        try
        {
            ToolResult result = await RunAsync("export", "--link-folder", links, Hash, At("out"));
            Assert.That(result.Code, Is.Zero);
            Assert.That(result.Error, Does.StartWith("notice: ").And.Contain(links));
            Assert.That(File.ReadAllText(At("out/sub/x")), Is.EqualTo("hi\n"));
            Assert.That(File.GetUnixFileMode(At("out/sub/x")).HasFlag(UnixFileMode.UserWrite), Is.True);
        }
        finally
        {
            Directory.Delete(links, recursive: true);
        }
    }

    [Test]
    public async Task Export_ToWhereSomethingIs_Fails()
    {
        await FailAsync(ExitCode.Failure, "export", Hash, At("d"));
        await FailAsync(ExitCode.BadCommandLine, "export", Hash);
        await FailAsync(ExitCode.BadCommandLine, "export", Hash, "/");
    }

    [Test]
    public async Task NarInfo_IsTextAsInACache()
    {
        ToolResult result = await SucceedAsync("narinfo", Hash);
        Assert.That(result.Text, Is.EqualTo($"""
            StorePath: {TreePath}
            URL: nar/tvix-castore/CiQSIC6kgRlyhc16hxsXRikjeHCU72zH_PFf6wUvMzBka7kHGAg?narsize=864
            Compression: none
            NarHash: sha256:10c546m0z23vb80bca9qcnhflrypqgybliybr61jndysjfxnm543
            NarSize: 864
            References:{" "}
            CA: fixed:r:sha256:10c546m0z23vb80bca9qcnhflrypqgybliybr61jndysjfxnm543

            """));
    }

    [Test]
    public async Task NarInfo_Json_HasTheSameFields()
    {
        JsonElement json = (await SucceedAsync("narinfo", "--json", Hash)).Json;
        Assert.That(json.GetProperty("storePath").GetString(), Is.EqualTo(TreePath));
        Assert.That(json.GetProperty("url").GetString(), Does.StartWith("nar/tvix-castore/").And.EndWith("?narsize=864"));
        Assert.That(json.GetProperty("compression").GetString(), Is.EqualTo("none"));
        Assert.That(json.GetProperty("narSize").GetInt64(), Is.EqualTo(864));
        Assert.That(json.TryGetProperty("deriver", out _), Is.False);
    }

    [Test]
    public async Task Info_ShowsAllFields()
    {
        ToolResult result = await SucceedAsync("info", Hash);
        Assert.That(result.Lines.Select(line => line.Split(':')[0]), Is.EqualTo((string[])
            ["Store path", "NAR hash", "NAR size", "Content address", "Deriver", "References", "Signatures", "Root"]));
        Assert.That(result.Text, Does.Contain(TreePath).And.Contains("864 (864 B)"));
        JsonElement json = (await SucceedAsync("info", "--json", Hash)).Json;
        Assert.That(
            json.GetProperty("node").GetProperty("digest").GetString(),
            Is.EqualTo("blake3-LqSBGXKFzXqHGxdGKSN4cJTvbMf88V/rBS8zMGRruQc="));
    }

    [TestCase("info")]
    [TestCase("narinfo")]
    public async Task StorePathCommands_OtherArguments_AreRefused(string command)
    {
        await FailAsync(ExitCode.BadCommandLine, command, "no-store-path");
        await FailAsync(ExitCode.BadCommandLine, command, Hash + "/sub");
        await FailAsync(ExitCode.BadCommandLine, command, "/gnu/store/" + Hash + "-d");
        await FailAsync(ExitCode.BadCommandLine, command);
        await FailAsync(ExitCode.NotFound, command, new string('0', 32));
        await FailAsync(ExitCode.NotFound, command, Hash + "-other-name");
    }

    [Test]
    public async Task Output_OfNames_IsBytes()
    {
        // A tar archive holds names that arguments of this process cannot have.
        byte[] tar = new byte[3 * 512];
        Encoding.Latin1.GetBytes("\u00ff").CopyTo(tar, 0);
        "0000644\0"u8.CopyTo(tar.AsSpan(100));
        "00000000000\0"u8.CopyTo(tar.AsSpan(124));
        "00000000000\0"u8.CopyTo(tar.AsSpan(136));
        tar[156] = (byte)'0';
        "ustar\0"u8.CopyTo(tar.AsSpan(257));
        "00"u8.CopyTo(tar.AsSpan(263));
        tar.AsSpan(148, 8).Fill((byte)' ');
        int sum = tar.AsSpan(0, 512).ToArray().Sum(b => b);
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(tar, 148);
        await File.WriteAllBytesAsync(At("raw.tar"), tar);
        string path = (await SucceedAsync("import", "--tar", At("raw.tar"), "--tar-top", "--name", "raw")).Lines[0];
        Assert.That((await SucceedAsync("ls", path)).Output, Is.EqualTo((byte[])[0xff, (byte)'\n']));
        Assert.That((await SucceedAsync("tree", path)).Text, Does.Contain("└── \\xff (0 B)"));
        Assert.That(await FailAsync(ExitCode.Failure, "ls", "--json", "-R", path), Does.Contain("not UTF-8"));
    }
}
