using System.Text.Json;
using NUnit.Framework;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Tests.Commands;

[TestFixture]
public sealed class CopyCommandTests : ToolFixture
{
    private string Other => "local:" + At("other");

    private Task<ToolResult> OnOtherAsync(params string[] arguments) => RunWithAsync(new ToolSetup(), ["--store", Other, .. arguments]);

    /// <summary>Two paths, the second of which refers to the first; and a third.</summary>
    private async Task<string> ImportAsync()
    {
        await SucceedAsync("import", MakeTree());
        File.WriteAllText(At("script"), $"exec {TreePath}/sub/x\n");
        string script = (await SucceedAsync("import", "--scan-references", At("script"))).Lines[0];
        await SucceedAsync("import", At("d/sub/x"));
        return script;
    }

    [Test]
    public async Task Copy_APath_BringsItsReferences()
    {
        string script = await ImportAsync();
        ToolResult result = await SucceedAsync("copy", StoreAddress, Other, script);

        Assert.That(result.Text, Is.EqualTo("2 store paths copied, 0 already there; 60 B moved, 0 B saved.\n"));
        Assert.That((await OnOtherAsync("list")).Lines, Is.EquivalentTo(new[] { script, TreePath }));
        Assert.That((await OnOtherAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
        foreach (string path in new[] { script, TreePath })
        {
            Assert.That((await OnOtherAsync("info", "--json", path)).Text, Is.EqualTo((await SucceedAsync("info", "--json", path)).Text));
            Assert.That((await OnOtherAsync("nar", path)).Output, Is.EqualTo((await SucceedAsync("nar", path)).Output));
        }
    }

    [Test]
    public async Task Copy_All_BringsEverythingAndNothingTwice()
    {
        await ImportAsync();
        JsonElement first = (await SucceedAsync("copy", "--json", "--all", StoreAddress, Other)).Json;
        Assert.That(first.GetProperty("pathsCopied").GetInt64(), Is.EqualTo(3));
        Assert.That(first.GetProperty("pathsAlreadyThere").GetInt64(), Is.Zero);
        Assert.That(first.GetProperty("blobs").GetInt64(), Is.EqualTo(3), "the script, the empty file and 'hi'");
        Assert.That(first.GetProperty("directories").GetInt64(), Is.EqualTo(2));
        Assert.That(first.GetProperty("bytesMoved").GetInt64(), Is.EqualTo(60));
        Assert.That(first.GetProperty("bytesSaved").GetInt64(), Is.EqualTo(3), "'hi' is in two store paths");
        Assert.That((await OnOtherAsync("list")).Lines, Is.EquivalentTo((await SucceedAsync("list")).Lines));

        JsonElement second = (await SucceedAsync("copy", "--json", "--all", StoreAddress, Other)).Json;
        Assert.That(second.GetProperty("pathsCopied").GetInt64(), Is.Zero);
        Assert.That(second.GetProperty("pathsAlreadyThere").GetInt64(), Is.EqualTo(3));
        Assert.That(second.GetProperty("pathsSigned").GetInt64(), Is.Zero);
        Assert.That(second.GetProperty("bytesMoved").GetInt64(), Is.Zero);
        Assert.That(second.GetProperty("bytesSaved").GetInt64(), Is.EqualTo((await SucceedAsync("stats", "--json")).Json.GetProperty("narBytes").GetInt64()));
    }

    [Test]
    public async Task Copy_NoReferences_BringsThePathAlone()
    {
        string script = await ImportAsync();
        await SucceedAsync("copy", "--no-references", StoreAddress, Other, script[11..43]);
        Assert.That((await OnOtherAsync("list")).Lines, Is.EqualTo(new[] { script }));
    }

    [Test]
    public async Task Copy_MissingReference_IsAFailureThatNamesBoth()
    {
        const string Reference = "/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60";
        string path = (await SucceedAsync("import", "--references", Reference, MakeTree())).Lines[0];
        string error = await FailAsync(ExitCode.Failure, "copy", StoreAddress, Other, path);
        Assert.That(error, Does.Contain(Reference).And.Contain(path));
        Assert.That((await OnOtherAsync("list")).Output, Is.Empty);
    }

    [Test]
    public async Task Copy_Conflict_IsAFailureUnlessOverwritten()
    {
        await ImportAsync();
        await SucceedAsync("copy", StoreAddress, Other, TreePath);
        await using (TvixStore store = TvixStore.Open(Other))
        {
            PathInfo info = (await store.PathInfos.GetAsync(StorePath.ParseAbsolute(TreePath).Digest))!;
            await store.PathInfos.PutAsync(info with { NarHash = default });
        }

        Assert.That(await FailAsync(ExitCode.Failure, "copy", StoreAddress, Other, TreePath), Does.Contain(TreePath).And.Contain("NAR hash"));
        Assert.That((await SucceedAsync("copy", "--overwrite", StoreAddress, Other, TreePath)).Text, Does.StartWith("1 store paths copied"));
        Assert.That((await OnOtherAsync("info", "--json", TreePath)).Text, Is.EqualTo((await SucceedAsync("info", "--json", TreePath)).Text));
    }

    [Test]
    public async Task Copy_CheckContents_CopiesWhatIsMissing()
    {
        await ImportAsync();
        await using (TvixStore source = TvixStore.Open(StoreAddress))
        await using (TvixStore target = TvixStore.Open(Other))
        {
            await target.PathInfos.PutAsync((await source.PathInfos.GetAsync(StorePath.ParseAbsolute(TreePath).Digest))!);
        }

        await SucceedAsync("copy", StoreAddress, Other, TreePath);
        Assert.That((await OnOtherAsync("verify")).Code, Is.EqualTo(ExitCode.Damaged));
        await SucceedAsync("copy", "--check-contents", StoreAddress, Other, TreePath);
        Assert.That((await OnOtherAsync("verify")).Code, Is.Zero);
    }

    [Test]
    public async Task Copy_NotThere_IsNotFoundAndMakesNoStore()
    {
        await FailAsync(ExitCode.NotFound, "copy", "local:" + At("nothing"), Other, TreePath);
        await ImportAsync();
        await FailAsync(ExitCode.NotFound, "copy", StoreAddress, Other, new string('0', 32));
        Assert.That(Directory.Exists(At("nothing")), Is.False);
        Assert.That(Directory.Exists(At("other")), Is.False);
    }

    [Test]
    public async Task Copy_WrongCommandLine_IsRefused()
    {
        await ImportAsync();
        string[][] wrong =
        [
            ["copy"],
            ["copy", StoreAddress],
            ["copy", StoreAddress, Other],
            ["copy", "--all", StoreAddress, Other, TreePath],
            ["copy", "bogus:x", Other, TreePath],
            ["copy", "nowhere", Other, TreePath],
            ["copy", StoreAddress, "bogus:x", TreePath],
            ["copy", StoreAddress, "nowhere", TreePath],
            ["copy", StoreAddress, Other, TreePath + "/sub"],
            ["copy", StoreAddress, Other, "no-store-path"],
        ];
        foreach (string[] arguments in wrong)
        {
            await FailAsync(ExitCode.BadCommandLine, arguments);
        }

        Assert.That(Directory.Exists(At("other")), Is.False);
    }

    [Test]
    public async Task Copy_OnATerminal_LeavesTheOutputAlone()
    {
        await ImportAsync();
        ToolResult result = await RunWithAsync(new ToolSetup { ErrorIsTerminal = true }, "copy", StoreAddress, Other, TreePath);
        Assert.That(result.Code, Is.Zero, result.Error);
        Assert.That(result.Text, Is.EqualTo("1 store paths copied, 0 already there; 3 B moved, 0 B saved.\n"));
    }

    [Test]
    public async Task Copy_Cancelled_EndsWith130()
    {
        await ImportAsync();
        ToolSetup setup = new() { CancellationToken = new CancellationToken(canceled: true) };
        Assert.That((await RunWithAsync(setup, "copy", "--all", StoreAddress, Other)).Code, Is.EqualTo(ExitCode.Interrupted));
    }
}
