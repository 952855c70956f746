using System.Text.Json;
using Microsoft.Data.Sqlite;
using NUnit.Framework;
using Tvix.Store.Cli.NixDatabase;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Tests.Commands;

/// <summary>Pushes from stores that look as those of Nix do; scripts/push-from-nix.sh has the real one.</summary>
[TestFixture]
public sealed class PushCommandTests : ToolFixture
{
    private const string Library = "/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-library";
    private const string Program = "/nix/store/0b9p07z77phvv2hf6gm9f28syp39f1ag-program-1.0";
    private const string Other = "/nix/store/3b9p07z77phvv2hf6gm9f28syp39f1ag-other";

    private NixStoreMaker _nix = null!;

    [SetUp]
    public void MakeNixStore() => _nix = new NixStoreMaker(At("root"));

    /// <summary>Pushes from the store of the test to that of the test.</summary>
    private Task<ToolResult> PushAsync(params string[] arguments) => SucceedAsync(["push", "--nix-root", At("root"), .. arguments]);

    private Task<string> FailToPushAsync(int code, params string[] arguments) => FailAsync(code, ["push", "--nix-root", At("root"), .. arguments]);

    /// <summary>A library, a program that refers to it and to itself, and something else.</summary>
    private async Task<(PathInfo Library, PathInfo Program, PathInfo Other)> MakeClosureAsync()
    {
        Directory.Move(MakeTree(), _nix.OnDisk(Library));
        Directory.CreateDirectory(_nix.OnDisk(Program + "/bin"));
        File.WriteAllText(_nix.OnDisk(Program + "/bin/program"), $"#!/bin/sh\nexec {Library}/sub/x {Program}\n");
        File.CreateSymbolicLink(_nix.OnDisk(Program + "/lib"), Library);
        File.WriteAllText(_nix.OnDisk(Other), "other\n");
        NarSignature[] signatures = [.. Enumerable.Range(1, 2).Select(i => SigningKey.Generate("key-" + i).Sign("anything"u8))];
        return (
            await _nix.RegisterAsync(
                Library, deriver: "/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-library.drv", signatures: $"{signatures[0]} {signatures[1]}"),
            await _nix.RegisterAsync(Program, [Program, Library], hex: false),
            await _nix.RegisterAsync(Other, ca: ContentAddress.Flat(Sha256Digest.Compute("other\n"u8).ToNixHash()).ToString()));
    }

    private async Task<List<PathInfo>> ListAsync()
    {
        await using TvixStore store = TvixStore.Open(StoreAddress);
        List<PathInfo> found = [];
        await foreach (PathInfo info in store.PathInfos.ListAsync())
        {
            found.Add(info);
        }

        return [.. found.OrderBy(info => info.StorePath)];
    }

    [Test]
    public async Task Push_APath_BringsItsClosureAsNixKnowsIt()
    {
        (PathInfo library, PathInfo program, _) = await MakeClosureAsync();
        Assert.That((await PushAsync(Program)).Text, Does.Match(@"^2 store paths pushed, 0 already there; \d+ B read\.\n$"));

        Assert.That(await ListAsync(), Is.EqualTo(new[] { program, library }));
        Assert.That(program.References, Is.EqualTo(new[] { program.StorePath, library.StorePath }), "in the order that Nix signs");
        Assert.That((await SucceedAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
        await SucceedAsync("export", Program, At("out"));
        Assert.That(File.ReadAllText(At("out/bin/program")), Does.Contain(Library));
        Assert.That(new FileInfo(At("out/lib")).LinkTarget, Is.EqualTo(Library));
    }

    [Test]
    public async Task Push_All_BringsEverythingAndNothingTwice()
    {
        (PathInfo library, PathInfo program, PathInfo other) = await MakeClosureAsync();
        JsonElement first = (await PushAsync("--all", "--json", "--to", "local:" + At("store"))).Json;
        Assert.That(first.GetProperty("pathsPushed").GetInt32(), Is.EqualTo(3));
        Assert.That(first.GetProperty("pathsAlreadyThere").GetInt32(), Is.Zero);
        long files = "hi\n".Length + "other\n".Length + new FileInfo(_nix.OnDisk(Program + "/bin/program")).Length;
        Assert.That(first.GetProperty("bytesRead").GetInt64(), Is.EqualTo(files));
        Assert.That(await ListAsync(), Is.EqualTo(new[] { program, library, other }));

        // What is there is not even read.
        File.WriteAllText(_nix.OnDisk(Other), "changed");
        JsonElement second = (await PushAsync("--all", "--json")).Json;
        Assert.That(second.GetProperty("pathsPushed").GetInt32(), Is.Zero);
        Assert.That(second.GetProperty("pathsAlreadyThere").GetInt32(), Is.EqualTo(3));
        Assert.That(second.GetProperty("pathsSigned").GetInt32(), Is.Zero);
        Assert.That(second.GetProperty("bytesRead").GetInt64(), Is.Zero);
    }

    [Test]
    public async Task Push_NewSignatures_AreAdded()
    {
        (PathInfo library, _, _) = await MakeClosureAsync();
        await PushAsync(Program);
        NarSignature signature = SigningKey.Generate("key-3").Sign("anything"u8);
        _nix.Execute("update ValidPaths set sigs = $0 where path = $1", signature.ToString(), Library);

        JsonElement result = (await PushAsync("--json", Program)).Json;
        Assert.That(result.GetProperty("pathsSigned").GetInt32(), Is.EqualTo(1));
        Assert.That((await ListAsync())[1].Signatures, Is.EqualTo(library.Signatures.Append(signature)));
    }

    [Test]
    public async Task Push_KeyFile_SignsAsWell()
    {
        await MakeClosureAsync();
        string key = (await SucceedAsync("key", "generate", "own-1", "-o", At("secret"))).Lines[0];
        await PushAsync(Program);
        Assert.That((await PushAsync("--json", "--all", "--key-file", At("secret"))).Json.GetProperty("pathsSigned").GetInt32(), Is.EqualTo(2));
        Assert.That((await PushAsync("--json", "--all", "--key-file", At("secret"))).Json.GetProperty("pathsSigned").GetInt32(), Is.Zero);
        await SucceedAsync("key", "verify", "--trusted-public-keys", key, "--all", "--check-contents");
        Assert.That((await ListAsync()).Select(info => info.Signatures.Count), Is.EqualTo(new[] { 1, 3, 1 }));
    }

    [TestCase(Program)]
    [TestCase("0b9p07z77phvv2hf6gm9f28syp39f1ag-program-1.0")]
    [TestCase("0b9p07z77phvv2hf6gm9f28syp39f1ag")]
    [TestCase(Program + "/bin/program")]
    [TestCase("FOLDER/result")]
    [TestCase("FOLDER/chain")]
    [TestCase("FOLDER/profile/current/bin")]
    [TestCase("FOLDER/root/nix/store/0b9p07z77phvv2hf6gm9f28syp39f1ag-program-1.0/bin")]
    public async Task Push_AnyWayToNameAPath_FindsIt(string argument)
    {
        await MakeClosureAsync();
        File.CreateSymbolicLink(At("result"), Program);
        File.CreateSymbolicLink(At("chain"), "./result");
        Directory.CreateDirectory(At("profile"));
        File.CreateSymbolicLink(At("profile/current"), "../chain");
        Assert.That((await PushAsync(argument.Replace("FOLDER", Folder, StringComparison.Ordinal))).Text, Does.StartWith("2 store paths pushed"));
    }

    [Test]
    public async Task Push_NoStorePath_SaysSo()
    {
        await MakeClosureAsync();
        await FailToPushAsync(ExitCode.NotFound, "/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60");
        await FailToPushAsync(ExitCode.NotFound, "/nix/store/0b9p07z77phvv2hf6gm9f28syp39f1ag-program-2.0");
        await FailToPushAsync(ExitCode.NotFound, new string('0', 32));
        await FailToPushAsync(ExitCode.NotFound, At("nothing"));
        await FailToPushAsync(ExitCode.BadCommandLine, At("root"));
        File.CreateSymbolicLink(At("loop"), "loop");
        await FailToPushAsync(ExitCode.Failure, At("loop"));
        Assert.That(Directory.Exists(At("store")), Is.False, "no store is made");
    }

    [TestCase("push")]
    [TestCase("push", "")]
    [TestCase("push", "--all", Program)]
    [TestCase("push", "--all", "--to", "bogus:x")]
    [TestCase("push", "--all", "--nix-root", "")]
    [TestCase("push", "--all", "--nix-root", "/x", "--nix-state-dir", "/x")]
    [TestCase("push", "--all", "--nix-root", "/x", "--nix-store-dir", "/x")]
    [TestCase("push", "--all", "--store-dir", "relative")]
    public async Task Push_WrongCommandLine_IsRefused(params string[] arguments)
    {
        await MakeClosureAsync();
        await FailAsync(ExitCode.BadCommandLine, arguments is [.., "bogus:x"] ? [.. arguments, "--nix-root", At("root")] : arguments);
    }

    [Test]
    public async Task Push_FoldersElsewhere_CanBeTold()
    {
        await MakeClosureAsync();
        Directory.Move(At("root/nix/store"), At("files"));
        Directory.Move(At("root/nix/var/nix"), At("state"));
        ToolResult result = await SucceedAsync("push", "--all", "--nix-state-dir", At("state"), "--nix-store-dir", At("files"));
        Assert.That(result.Text, Does.StartWith("3 store paths pushed"));
    }

    [Test]
    public async Task Push_OtherStoreDirectory_IsTheStoreDirOption()
    {
        const string Path = "/x/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-library";
        Directory.CreateDirectory(At("files"));
        Directory.Move(MakeTree(), _nix.OnDisk(Library));
        await _nix.RegisterAsync(Library);
        _nix.Execute("update ValidPaths set path = $0", Path);
        Directory.CreateDirectory(At("root/x"));
        Directory.Move(At("root/nix/store"), At("root/x/store"));
        Assert.That((await PushAsync("--store-dir", "/x/store", Path)).Text, Does.StartWith("1 store paths pushed"));
        Assert.That(await FailToPushAsync(ExitCode.Failure, "--all"), Does.Contain(Path).And.Contain("--store-dir"));
    }

    [Test]
    public async Task Push_FileChangedOnDisk_IsRefusedAndNothingOfItVisible()
    {
        (PathInfo library, _, _) = await MakeClosureAsync();
        File.AppendAllText(_nix.OnDisk(Program + "/bin/program"), "x");
        Assert.That(await FailToPushAsync(ExitCode.Failure, Program), Does.Contain(Program).And.Contain("not what Nix has registered"));
        Assert.That((await ListAsync()).Except([library]), Is.Empty);
        JsonElement statistics = (await SucceedAsync("stats", "--json")).Json;
        Assert.That(statistics.GetProperty("directories").GetInt32(), Is.LessThanOrEqualTo(2), "only those of the library");

        // A bit that changes no length.
        File.WriteAllText(_nix.OnDisk(Library + "/sub/x"), "ho\n");
        await FailToPushAsync(ExitCode.Failure, Program);
        File.WriteAllText(_nix.OnDisk(Library + "/sub/x"), "hi\n");
        File.SetUnixFileMode(_nix.OnDisk(Library + "/e"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await FailToPushAsync(ExitCode.Failure, Program);
    }

    [Test]
    public async Task Push_LibraryChangedOnDisk_LeavesTheProgramOut()
    {
        await MakeClosureAsync();
        File.WriteAllText(_nix.OnDisk(Library + "/sub/x"), "ho\n");
        Assert.That(await FailToPushAsync(ExitCode.Failure, Program), Does.Contain(Library));
        Assert.That(await ListAsync(), Is.Empty, "a store path never comes before what it refers to");
    }

    [Test]
    public async Task Push_FilesMissing_IsAFailureThatNamesThePath()
    {
        await MakeClosureAsync();
        Directory.Delete(_nix.OnDisk(Library), recursive: true);
        Assert.That(await FailToPushAsync(ExitCode.Failure, Program), Does.Contain(Library).And.Contain("does not exist"));
        Assert.That(await ListAsync(), Is.Empty);
    }

    [Test]
    public async Task Push_TargetSaysSomethingElse_IsAFailureBeforeAnythingIsPushed()
    {
        (PathInfo library, _, _) = await MakeClosureAsync();
        PathInfo empty;
        await using (TvixStore store = TvixStore.Open(StoreAddress))
        {
            empty = await store.ImportAsync(_nix.OnDisk(Library + "/e"));
        }

        PathInfo[] different =
        [
            library with { NarHash = empty.NarHash },
            library with { NarSize = 8 },
            library with { References = [empty.StorePath] },
            library with { StorePath = new StorePath(library.StorePath.Digest, "another") },
        ];
        foreach (PathInfo info in different)
        {
            await using (TvixStore store = TvixStore.Open(StoreAddress))
            {
                await store.PathInfos.PutAsync(info);
            }

            Assert.That(await FailToPushAsync(ExitCode.Failure, Program), Does.Contain(Library).And.Contain("Nothing was pushed"));
            Assert.That((await ListAsync()).Select(path => path.StorePath.Name), Does.Not.Contain("program-1.0"));
        }
    }

    [TestCase("hash", "bogus")]
    [TestCase("hash", "")]
    [TestCase("hash", "sha1:0123456789012345678901234567890123456789")]
    [TestCase("narSize", -1)]
    [TestCase("deriver", "/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-library")]
    [TestCase("deriver", "bogus.drv")]
    [TestCase("sigs", "key-1:xyz")]
    [TestCase("ca", "fixed:git:sha1:0123456789012345678901234567890123456789")]
    public async Task Push_RecordThatIsNotUnderstood_IsAFailureThatNamesThePath(string column, object value)
    {
        await MakeClosureAsync();
        _nix.Execute($"update ValidPaths set {column} = $0 where path = $1", value, Library);
        Assert.That(await FailToPushAsync(ExitCode.Failure, Program), Does.Contain($"'{Library}' is not understood"));
        Assert.That((await PushAsync(Other)).Text, Does.StartWith("1 store paths pushed"));
    }

    [TestCase(null)]
    [TestCase(0)]
    public async Task Push_UnknownSize_IsThatFound(int? size)
    {
        (PathInfo library, _, _) = await MakeClosureAsync();
        _nix.Execute("update ValidPaths set narSize = $0 where path = $1", size, Library);
        await PushAsync(Library);
        Assert.That(await ListAsync(), Is.EqualTo(new[] { library }));
    }

    [Test]
    public async Task Push_WrongSize_IsRefused()
    {
        await MakeClosureAsync();
        _nix.Execute("update ValidPaths set narSize = narSize + 8 where path = $0", Library);
        Assert.That(await FailToPushAsync(ExitCode.Failure, Library), Does.Contain(Library).And.Contain("872"));
    }

    [Test]
    public async Task Push_NoDatabase_IsNotFound()
    {
        Assert.That(await FailAsync(ExitCode.NotFound, "push", "--all", "--nix-root", At("nothing")), Does.Contain(At("nothing/nix/var/nix/db/db.sqlite")));
        Assert.That(Directory.Exists(At("nothing")), Is.False);
        Assert.That(Directory.Exists(At("store")), Is.False);
    }

    [TestCase("9")]
    [TestCase("11")]
    [TestCase("")]
    [TestCase(null)]
    public async Task Push_OtherSchema_IsAFailureThatNamesIt(string? schema)
    {
        await MakeClosureAsync();
        File.Delete(At("root/nix/var/nix/db/schema"));
        if (schema is not null)
        {
            File.WriteAllText(At("root/nix/var/nix/db/schema"), schema + "\n");
        }

        Assert.That(await FailToPushAsync(ExitCode.Failure, "--all"), Does.Contain(schema is null ? "no file" : $"schema '{schema}'"));
    }

    [Test]
    public async Task Push_OtherTables_IsAFailure()
    {
        _nix.Execute("alter table ValidPaths rename column sigs to signatures");
        Assert.That(await FailToPushAsync(ExitCode.Failure, "--all"), Does.Contain("has not the tables of schema 10"));
        _nix.Execute("drop table Refs");
        Assert.That(await FailToPushAsync(ExitCode.Failure, "--all"), Does.Contain("has not the tables of schema 10"));
    }

    [Test]
    public async Task Push_ReferenceThatIsNotThere_IsAFailure()
    {
        await MakeClosureAsync();
        _nix.Execute("insert into Refs select id, 99 from ValidPaths where path = $0", Other);
        Assert.That(await FailToPushAsync(ExitCode.Failure, Other), Does.Contain("99"));
    }

    [Test]
    public async Task Push_DamagedDatabase_IsAFailure()
    {
        await MakeClosureAsync();
        File.WriteAllText(_nix.Database, new string('x', 8192));
        Assert.That(await FailToPushAsync(ExitCode.Failure, "--all"), Does.Contain("is damaged"));
    }

    [Test]
    public async Task Push_WhileNixWrites_SeesWhatIsCommitted()
    {
        (PathInfo library, PathInfo program, PathInfo other) = await MakeClosureAsync();
        using SqliteConnection writer = _nix.Connect();
        using SqliteTransaction transaction = writer.BeginTransaction();
        using SqliteCommand command = writer.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "delete from ValidPaths";
        command.ExecuteNonQuery();
        await PushAsync("--all");
        Assert.That(await ListAsync(), Is.EqualTo(new[] { program, library, other }));
    }

    [Test]
    public async Task Read_LockedDatabase_IsAFailureAfterAWhile()
    {
        await MakeClosureAsync();
        using SqliteConnection holder = _nix.Connect();
        using SqliteCommand command = holder.CreateCommand();
        command.CommandText = "pragma locking_mode = exclusive; begin exclusive; update ValidPaths set ultimate = 1;";
        command.ExecuteNonQuery();
        NixDatabaseReader reader = new(NixStoreLocation.Below(At("root"), default), busySeconds: 1);
        Assert.That(() => reader.ReadClosure(null, default), Throws.TypeOf<ToolException>().With.Message.Contains("locked by another process"));
    }

    [Test]
    public async Task Read_Database_LeavesNoTrace()
    {
        await MakeClosureAsync();
        byte[] before = File.ReadAllBytes(_nix.Database);
        string[] files = Directory.GetFiles(Path.GetDirectoryName(_nix.Database)!);
        await PushAsync("--all");
        Assert.That(File.ReadAllBytes(_nix.Database), Is.EqualTo(before));
        Assert.That(Directory.GetFiles(Path.GetDirectoryName(_nix.Database)!), Is.SupersetOf(files).And.SubsetOf(
            files.Append(_nix.Database + "-shm").Append(_nix.Database + "-wal")));
    }

    [Test]
    public async Task Push_Cancelled_EndsWith130()
    {
        await MakeClosureAsync();
        ToolSetup setup = new() { CancellationToken = new CancellationToken(canceled: true) };
        ToolResult result = await RunWithAsync(setup, "push", "--all", "--nix-root", At("root"), "--to", StoreAddress);
        Assert.That(result.Code, Is.EqualTo(ExitCode.Interrupted));
    }

    [Test]
    public async Task Push_OnATerminal_LeavesTheOutputAlone()
    {
        await MakeClosureAsync();
        ToolResult result = await RunWithAsync(new ToolSetup { ErrorIsTerminal = true }, "push", "--all", "--nix-root", At("root"), "--to", StoreAddress);
        Assert.That(result.Code, Is.Zero, result.Error);
        Assert.That(result.Lines, Has.Length.EqualTo(1));
        Assert.That(result.Text, Does.StartWith("3 store paths pushed, 0 already there; "));
    }
}
