using System.Text.Json;
using NUnit.Framework;

namespace Tvix.Store.Cli.Tests.Commands;

/// <summary>The commands that look at the store as a whole.</summary>
[TestFixture]
public sealed class StoreCommandsTests : ToolFixture
{
    [Test]
    public async Task List_GivesAllStorePaths()
    {
        MakeTree();
        ToolResult imported = await SucceedAsync("import", At("d"), At("d/e"), At("d/l"));
        Assert.That((await SucceedAsync("list")).Lines, Is.EquivalentTo(imported.Lines));
        Assert.That(
            (await SucceedAsync("list", "--json")).Json.EnumerateArray().Select(info => info.GetProperty("path").GetString()),
            Is.EquivalentTo(imported.Lines));
    }

    [Test]
    public async Task List_EmptyStore_GivesNothing()
    {
        Directory.CreateDirectory(At("store"));
        Assert.That((await SucceedAsync("list")).Output, Is.Empty);
        Assert.That((await SucceedAsync("list", "--json")).Text, Is.EqualTo("[]\n"));
        Assert.That((await SucceedAsync("verify", "--json")).Text, Is.EqualTo("[]\n"));
    }

    [Test]
    public async Task Stats_CountWhatIsThere()
    {
        await SucceedAsync("import", MakeTree());
        JsonElement json = (await SucceedAsync("stats", "--json")).Json;
        Assert.That(json.GetProperty("storePaths").GetInt64(), Is.EqualTo(1));
        Assert.That(json.GetProperty("narBytes").GetInt64(), Is.EqualTo(864));
        Assert.That(json.GetProperty("directories").GetInt64(), Is.EqualTo(2));
        Assert.That(json.GetProperty("storedBytes").GetInt64(), Is.Positive);
        Assert.That(json.GetProperty("deduplicationRatio").GetDouble(), Is.EqualTo(864.0 / json.GetProperty("storedBytes").GetInt64()));
        Assert.That(
            (await SucceedAsync("stats")).Text,
            Does.Contain("Store paths:     1\n").And.Contains("NARs together:   864 (864 B)\n"));
    }

    [Test]
    public async Task Verify_SoundStore_Succeeds()
    {
        await SucceedAsync("import", MakeTree());
        Assert.That((await SucceedAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
    }

    [Test]
    public async Task Verify_Damage_IsNamedWithTheStorePathsThatSuffer()
    {
        string contents = string.Concat(Enumerable.Range(0, 1000).Select(i => $"{i * i:x} "));
        Directory.CreateDirectory(At("hurt"));
        File.WriteAllText(At("hurt/file"), contents);
        string hurt = (await RunWithAsync(new ToolSetup(), "--store", StoreAddress + "?compression=none", "import", At("hurt"))).Lines[0];
        await SucceedAsync("import", MakeTree());
        Damage(At("store"), contents);

        ToolResult result = await RunAsync("verify");
        Assert.That(result.Code, Is.EqualTo(ExitCode.Damaged), result.Error);
        Assert.That(result.Error, Is.Empty);
        Assert.That(result.Text, Does.Contain(hurt).And.Not.Contains(TreePath));
        Assert.That(result.Lines[^1], Does.EndWith("1 store paths suffer."));

        ToolResult json = await RunAsync("verify", "--json");
        Assert.That(json.Code, Is.EqualTo(ExitCode.Damaged));
        JsonElement[] findings = [.. json.Json.EnumerateArray()];
        Assert.That(findings[0].GetProperty("kind").GetString(), Is.EqualTo("chunk"));
        Assert.That(findings[0].GetProperty("digest").GetString(), Does.StartWith("blake3-"));
        Assert.That(findings[^1].GetProperty("path").GetString(), Is.EqualTo(hurt));

        Assert.That((await RunAsync("cat", hurt + "/file")).Code, Is.EqualTo(ExitCode.Failure));
    }

    [Test]
    public async Task RebuildIndex_GivesTheSameStore()
    {
        await SucceedAsync("import", MakeTree());
        JsonElement before = (await SucceedAsync("stats", "--json")).Json;
        JsonElement rebuild = (await SucceedAsync("rebuild-index", "--json")).Json;
        Assert.That(rebuild.GetProperty("records").GetInt64(), Is.EqualTo(5), "two blobs, two directories, one path info");
        Assert.That(rebuild.GetProperty("skippedBytes").GetInt64(), Is.Zero);
        Assert.That(rebuild.GetProperty("oldIndex").GetString(), Does.StartWith(At("store")));
        Assert.That(
            (await SucceedAsync("stats", "--json")).Json.GetProperty("uniqueBytes").GetInt64(),
            Is.EqualTo(before.GetProperty("uniqueBytes").GetInt64()));
        Assert.That((await SucceedAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
        Assert.That((await SucceedAsync("nar", TreePath)).Output, Has.Length.EqualTo(864));
        Assert.That((await SucceedAsync("rebuild-index")).Text, Does.StartWith("5 records in 1 packs; 0 damaged bytes left out."));
        Assert.That((await RunWithAsync(new ToolSetup(), "--store", "memory:", "rebuild-index")).Code, Is.EqualTo(ExitCode.BadCommandLine));
    }

    /// <summary>Changes one byte of what the store keeps of a text.</summary>
    private static void Damage(string store, string contents)
    {
        byte[] wanted = System.Text.Encoding.UTF8.GetBytes(contents);
        foreach (string file in Directory.EnumerateFiles(store, "*.pack", SearchOption.AllDirectories))
        {
            byte[] bytes = File.ReadAllBytes(file);
            int at = bytes.AsSpan().IndexOf(wanted);
            if (at >= 0)
            {
                using FileStream stream = new(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                stream.Position = at + 100;
                stream.WriteByte((byte)(bytes[at + 100] ^ 1));
                return;
            }
        }

        Assert.Fail("The store does not hold the text as it is.");
    }
}
