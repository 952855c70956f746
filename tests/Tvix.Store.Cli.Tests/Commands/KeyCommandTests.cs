using System.Text;
using System.Text.Json;
using NUnit.Framework;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Tests.Commands;

[TestFixture]
public sealed class KeyCommandTests : ToolFixture
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Makes a key in a file; the public key is what comes back.</summary>
    private async Task<string> GenerateAsync(string name, string file) => (await SucceedAsync("key", "generate", name, "-o", At(file))).Lines.Single();

    /// <summary>Two paths, the second of which refers to the first; and a third.</summary>
    private async Task<string[]> ImportAsync()
    {
        await SucceedAsync("import", MakeTree());
        File.WriteAllText(At("script"), $"exec {TreePath}/sub/x\n");
        string script = (await SucceedAsync("import", "--scan-references", At("script"))).Lines[0];
        return [TreePath, script, (await SucceedAsync("import", At("d/sub/x"))).Lines[0]];
    }

    /// <summary>Changes a path info behind the tool's back.</summary>
    private async Task ChangeAsync(string path, Func<PathInfo, PathInfo> change)
    {
        await using TvixStore store = TvixStore.Open(StoreAddress);
        await store.PathInfos.PutAsync(change((await store.PathInfos.GetAsync(StorePath.ParseAbsolute(path).Digest))!));
    }

    private async Task<string[]> SignaturesAsync(string path) =>
        [.. (await SucceedAsync("info", "--json", path)).Json.GetProperty("signatures").EnumerateArray().Select(signature => signature.GetString()!)];

    [Test]
    public async Task Generate_WithOutput_MakesAFileForItsOwnerAndPrintsThePublicKey()
    {
        string key = await GenerateAsync("cache-1", "secret");
        Assert.That(File.GetUnixFileMode(At("secret")), Is.EqualTo(OwnerOnly));
        SigningKey secret = SigningKey.Parse(File.ReadAllText(At("secret")));
        Assert.That(File.ReadAllText(At("secret")), Is.EqualTo(secret.ToSecretString()), "as Nix writes it, without a line end");
        Assert.That(key, Is.EqualTo(secret.PublicKey.ToString()).And.StartsWith("cache-1:"));
        Assert.That((await SucceedAsync("key", "public", At("secret"))).Text, Is.EqualTo(key + "\n"));
    }

    [Test]
    public async Task Generate_WithoutOutput_PrintsTheSecretKey()
    {
        ToolResult first = await SucceedAsync("key", "generate", "cache-1");
        ToolResult second = await SucceedAsync("key", "generate", "cache-1");
        Assert.That(first.Text, Is.Not.EqualTo(second.Text));
        ToolResult result = await RunWithAsync(new ToolSetup { Input = first.Output }, "key", "public", "-");
        Assert.That(result.Text, Is.EqualTo(SigningKey.Parse(first.Text).PublicKey + "\n"));
        Assert.That((await RunWithAsync(new ToolSetup { Input = first.Output }, "key", "public")).Text, Is.EqualTo(result.Text));
    }

    [Test]
    public async Task Generate_ExistingFile_StaysUnlessForced()
    {
        string before = await GenerateAsync("cache-1", "secret");
        Assert.That(await FailAsync(ExitCode.Failure, "key", "generate", "cache-2", "-o", At("secret")), Does.Contain("--force"));
        File.CreateSymbolicLink(At("link"), At("nowhere"));
        await FailAsync(ExitCode.Failure, "key", "generate", "cache-2", "-o", At("link"));
        Assert.That((await SucceedAsync("key", "public", At("secret"))).Lines.Single(), Is.EqualTo(before));

        File.SetUnixFileMode(At("secret"), OwnerOnly | UnixFileMode.OtherRead);
        ToolResult forced = await SucceedAsync("key", "generate", "cache-2", "-o", At("secret"), "--force");
        Assert.That(File.GetUnixFileMode(At("secret")), Is.EqualTo(OwnerOnly));
        Assert.That((await SucceedAsync("key", "public", At("secret"))).Text, Is.EqualTo(forced.Text));
        Assert.That(Directory.GetFiles(Folder).Select(Path.GetFileName), Is.EquivalentTo(new[] { "secret", "link" }), "nothing is left behind");
    }

    [TestCase("key")]
    [TestCase("key", "generate")]
    [TestCase("key", "generate", "")]
    [TestCase("key", "generate", "a b")]
    [TestCase("key", "generate", "a:b")]
    [TestCase("key", "generate", "a", "--force")]
    [TestCase("key", "generate", "a", "--output", "")]
    [TestCase("key", "public", "")]
    [TestCase("key", "sign", "--all")]
    [TestCase("key", "sign", "--key-file", "x")]
    [TestCase("key", "sign", "--key-file", "x", "--all", TreePath)]
    [TestCase("key", "verify", "--all")]
    [TestCase("key", "verify", "--trusted-public-keys", "", "--all")]
    [TestCase("key", "verify", "--trusted-public-keys", "bogus", "--all")]
    public async Task Key_WrongCommandLine_IsRefused(params string[] arguments) => await FailAsync(ExitCode.BadCommandLine, arguments);

    [Test]
    public async Task ReadingAKey_SomethingElse_IsAFailureThatDoesNotShowIt()
    {
        string secret = SigningKey.Generate("cache-1").ToSecretString();
        foreach (string text in new[] { "", "bogus", secret[..^8], secret + "x", "cache-1:" + secret[30..] + secret[8..30], new string('x', 70_000) })
        {
            File.WriteAllText(At("key"), text);
            File.SetUnixFileMode(At("key"), OwnerOnly);
            string error = await FailAsync(ExitCode.Failure, "key", "public", At("key"));
            Assert.That(error, Does.Contain($"'{At("key")}' has no secret key"));
            Assert.That(error, Does.Not.Contain(secret[30..50]));
            Assert.That((await RunWithAsync(new ToolSetup { Input = Encoding.UTF8.GetBytes(text) }, "key", "public")).Code, Is.EqualTo(ExitCode.Failure));
        }

        await FailAsync(ExitCode.NotFound, "key", "public", At("nothing"));
        await FailAsync(ExitCode.NotFound, "key", "public", At("no/thing"));
        await FailAsync(ExitCode.NotFound, "key", "sign", "--all", "--key-file", At("nothing"));
    }

    [Test]
    public async Task ReadingAKey_OpenToOthers_Warns()
    {
        await GenerateAsync("cache-1", "secret");
        foreach (UnixFileMode open in new[] { UnixFileMode.GroupRead, UnixFileMode.OtherRead, UnixFileMode.GroupWrite, UnixFileMode.OtherWrite })
        {
            File.SetUnixFileMode(At("secret"), OwnerOnly | open);
            ToolResult result = await RunAsync("key", "public", At("secret"));
            Assert.That(result.Code, Is.Zero);
            Assert.That(result.Error, Does.StartWith("warning: ").And.Contain(At("secret")));
            Assert.That(result.Text, Does.StartWith("cache-1:"));
        }
    }

    [Test]
    public async Task Sign_APath_AddsOneSignatureThatVerifies()
    {
        string[] paths = await ImportAsync();
        string key = await GenerateAsync("cache-1", "secret");
        Assert.That((await SucceedAsync("key", "sign", "-k", At("secret"), paths[1])).Text, Is.EqualTo("1 store paths signed, 0 already were.\n"));
        Assert.That(await SignaturesAsync(paths[0]), Is.Empty);
        Assert.That(await SignaturesAsync(paths[2]), Is.Empty);

        await using TvixStore store = TvixStore.Open(StoreAddress);
        PathInfo info = (await store.PathInfos.GetAsync(StorePath.ParseAbsolute(paths[1]).Digest))!;
        Assert.That(info.References, Is.Not.Empty);
        Assert.That(TrustedKeys.Parse(key).Accepts(info.GetFingerprint(), info.Signatures), Is.True);
    }

    [Test]
    public async Task Sign_Again_AddsNothing()
    {
        string[] paths = await ImportAsync();
        await GenerateAsync("cache-1", "first");
        await GenerateAsync("cache-1", "second");
        Assert.That(
            (await SucceedAsync("key", "sign", "-k", At("first"), "--closure", paths[1])).Text, Is.EqualTo("2 store paths signed, 0 already were.\n"));
        Assert.That((await SucceedAsync("key", "sign", "-k", At("first"), "--all")).Text, Is.EqualTo("1 store paths signed, 2 already were.\n"));

        string[] before = await SignaturesAsync(paths[0]);
        JsonElement result = (await SucceedAsync("key", "sign", "-k", At("first"), "-k", At("second"), "--all", "--json")).Json;
        Assert.That(result.GetProperty("pathsSigned").GetInt32(), Is.EqualTo(3));
        Assert.That(result.GetProperty("pathsAlreadySigned").GetInt32(), Is.Zero);
        Assert.That(result.GetProperty("signaturesAdded").GetInt32(), Is.EqualTo(3));
        string[] after = await SignaturesAsync(paths[0]);
        Assert.That(after, Has.Length.EqualTo(2));
        Assert.That(after[0], Is.EqualTo(before[0]), "those that were there stay");
    }

    [Test]
    public async Task Sign_SomethingMissing_IsNotFoundAndSignsNothing()
    {
        await GenerateAsync("cache-1", "secret");
        await FailAsync(ExitCode.NotFound, "key", "sign", "-k", At("secret"), "--all");
        const string Reference = "/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60";
        string path = (await SucceedAsync("import", "--references", Reference, MakeTree())).Lines[0];
        Assert.That(
            await FailAsync(ExitCode.NotFound, "key", "sign", "-k", At("secret"), "--closure", path), Does.Contain(Reference).And.Contain(path));
        await FailAsync(ExitCode.NotFound, "key", "sign", "-k", At("secret"), path, Reference);
        Assert.That(await SignaturesAsync(path), Is.Empty);
    }

    [Test]
    public async Task Verify_SignedPaths_AreTrustedByTheirKeyOnly()
    {
        string[] paths = await ImportAsync();
        string key = await GenerateAsync("cache-1", "secret");
        string same = await GenerateAsync("cache-1", "same-name");
        string other = await GenerateAsync("other-1", "other");
        await SucceedAsync("key", "sign", "-k", At("secret"), "--closure", paths[1]);
        foreach (string path in paths)
        {
            await ChangeAsync(path, info => info with { ContentAddress = null });
        }

        Assert.That(
            (await SucceedAsync("key", "verify", "--trusted-public-keys", $"{other}\n {key} ", "--closure", paths[1])).Text,
            Is.EqualTo("2 store paths signed, 0 named by their contents, 0 not trusted.\n"));
        Assert.That((await SucceedAsync("key", "verify", "--trusted-public-keys", other, "--trusted-public-keys", key, paths[0])).Lines, Has.Length.EqualTo(1));

        ToolResult all = await RunAsync("key", "verify", "--trusted-public-keys", key, "--all");
        Assert.That(all.Code, Is.EqualTo(ExitCode.Failure));
        Assert.That(all.Lines, Is.EqualTo(new[] { $"{paths[2]} has no signature.", "2 store paths signed, 0 named by their contents, 1 not trusted." }));

        ToolResult untrusted = await RunAsync("key", "verify", "--trusted-public-keys", other, paths[0]);
        Assert.That(untrusted.Code, Is.EqualTo(ExitCode.Failure));
        Assert.That(untrusted.Lines[0], Is.EqualTo($"{paths[0]} has no signature by a trusted key, only by 'cache-1'."));

        ToolResult wrong = await RunAsync("key", "verify", "--trusted-public-keys", same, paths[0]);
        Assert.That(wrong.Code, Is.EqualTo(ExitCode.Failure));
        Assert.That(wrong.Lines[0], Is.EqualTo($"{paths[0]} has a signature that is not by the trusted key 'cache-1' whose name it has."));
    }

    [Test]
    public async Task Verify_ChangedPath_IsNotTrusted()
    {
        await ImportAsync();
        string key = await GenerateAsync("cache-1", "secret");
        await SucceedAsync("key", "sign", "-k", At("secret"), TreePath);
        await ChangeAsync(TreePath, info => info with { NarSize = info.NarSize + 8, ContentAddress = null });
        Assert.That((await RunAsync("key", "verify", "--trusted-public-keys", key, TreePath)).Code, Is.EqualTo(ExitCode.Failure));
    }

    [Test]
    public async Task Verify_ImportedPaths_AreNamedByTheirContents()
    {
        await ImportAsync();
        await SucceedAsync("import", "--flat", "--name", "flat", At("d/sub/x"));
        string key = await GenerateAsync("cache-1", "secret");
        Assert.That(
            (await SucceedAsync("key", "verify", "--trusted-public-keys", key, "--all", "--check-contents")).Text,
            Is.EqualTo("0 store paths signed, 4 named by their contents, 0 not trusted.\n"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Verify_ContentAddress_MustBeOfThePathAndItsContents(bool flat)
    {
        await ImportAsync();
        string path = (await SucceedAsync(flat ? ["import", "--flat", At("d/sub/x"), "--name", "f"] : ["import", At("d/sub/x"), "--name", "f"])).Lines[0];
        string key = await GenerateAsync("cache-1", "secret");
        string[] verify = ["key", "verify", "--trusted-public-keys", key, path];
        await SucceedAsync(verify);

        PathInfo original;
        await using (TvixStore store = TvixStore.Open(StoreAddress))
        {
            original = (await store.PathInfos.GetAsync(StorePath.ParseAbsolute(path).Digest))!;
        }

        // Other contents that claim the name; another address; a reference that the name does not have.
        PathInfo empty;
        await using (TvixStore store = TvixStore.Open(StoreAddress))
        {
            empty = await store.ImportAsync(At("d/e"));
        }

        PathInfo[] wrong =
        [
            original with { Node = empty.Node, NarHash = empty.NarHash, NarSize = empty.NarSize },
            original with { ContentAddress = empty.ContentAddress },
            original with { References = [empty.StorePath] },
            original with { References = [original.StorePath] },
        ];
        foreach (PathInfo info in wrong)
        {
            await ChangeAsync(path, _ => info);
            ToolResult result = await RunAsync(verify);
            Assert.That(result.Code, Is.EqualTo(ExitCode.Failure), info.ContentAddress!.ToString());
            Assert.That(result.Lines[0], Is.EqualTo($"{path} has no signature, and its content address is not that of its contents."));
        }
    }

    [Test]
    public async Task Verify_CheckContents_ReadsThem()
    {
        string[] paths = await ImportAsync();
        string key = await GenerateAsync("cache-1", "secret");
        PathInfo other = null!;
        await ChangeAsync(paths[2], info => other = info);
        await ChangeAsync(TreePath, info => info with { Node = other.Node });
        await SucceedAsync("key", "sign", "-k", At("secret"), TreePath);
        await SucceedAsync("key", "verify", "--trusted-public-keys", key, TreePath);

        ToolResult result = await RunAsync("key", "verify", "--trusted-public-keys", key, "--check-contents", TreePath);
        Assert.That(result.Code, Is.EqualTo(ExitCode.Failure));
        Assert.That(result.Lines[0], Does.StartWith(TreePath + " has other contents").And.Contain(other.NarHash.ToString()));
    }

    [Test]
    public async Task Verify_Json_SaysWhy()
    {
        string[] paths = await ImportAsync();
        string key = await GenerateAsync("cache-1", "secret");
        await SucceedAsync("key", "sign", "-k", At("secret"), paths[0]);
        await ChangeAsync(paths[1], info => info with { ContentAddress = null });
        ToolResult result = await RunAsync("key", "verify", "--trusted-public-keys", key, "--json", paths[0], paths[1], paths[2]);
        Assert.That(result.Code, Is.EqualTo(ExitCode.Failure));
        JsonElement[] found = [.. result.Json.EnumerateArray()];
        Assert.That(found.Select(item => item.GetProperty("path").GetString()), Is.EqualTo(paths));
        Assert.That(found.Select(item => item.GetProperty("trusted").GetBoolean()), Is.EqualTo(new[] { true, false, true }));
        Assert.That(found[0].GetProperty("signedBy").GetString(), Is.EqualTo("cache-1"));
        Assert.That(found[0].TryGetProperty("ca", out _), Is.False);
        Assert.That(found[1].GetProperty("message").GetString(), Is.EqualTo("has no signature"));
        Assert.That(found[2].GetProperty("ca").GetString(), Does.StartWith("fixed:r:sha256:"));
    }
}
