using System.Text;
using NUnit.Framework;
using Tvix.Castore.Import;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests;

/// <summary>Import as store paths. The expected paths are Nix's own: nix-formats §3.9 and §8.6, store-services A.1.</summary>
[TestFixture("memory:")]
[TestFixture("local:")]
public sealed class TvixStoreTests(string kind)
{
    private TempFolder _folder = null!;
    private TvixStore _store = null!;

    [SetUp]
    public void Open()
    {
        _folder = new TempFolder();
        _store = TvixStore.Open(kind == "local:" ? kind + _folder["store"] : kind);
    }

    [TearDown]
    public async Task Close()
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    private string Complicated()
    {
        string root = Directory.CreateDirectory(_folder["comp"]).FullName;
        File.WriteAllBytes(Path.Combine(root, ".keep"), []);
        File.CreateSymbolicLink(Path.Combine(root, "aa"), "/nix/store/somewhereelse");
        Directory.CreateDirectory(Path.Combine(root, "keep"));
        File.WriteAllBytes(Path.Combine(root, "keep", ".keep"), []);
        return root;
    }

    [Test]
    public async Task Import_Directory_HasNixPathAndCanBeRead()
    {
        PathInfo info = await _store.ImportAsync(Complicated());

        Assert.That(info.StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/5zk7q2q9f5gpqyiq6ag4shlmnsj8x19w-comp"));
        Assert.That(info.NarSize, Is.EqualTo(840));
        Assert.That(info.NarHash.ToString(), Is.EqualTo("sha256:06li2smqgskxxr291x1cgzf61rzm7c8f93bisnglq0nzm1wj5mgb"));
        Assert.That(await _store.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
        Assert.That(await _store.WriteNarAsync(info.Node, Stream.Null), Is.EqualTo(840));
        await _store.ExportAsync(info.Node, _folder["copy"]);
        Assert.That(new FileInfo(Path.Combine(_folder["copy"], "aa")).LinkTarget, Is.EqualTo("/nix/store/somewhereelse"));
        Assert.That(File.Exists(Path.Combine(_folder["copy"], "keep", ".keep")), Is.True);
    }

    [Test]
    public async Task Import_Name_DecidesThePath()
    {
        PathInfo info = await _store.ImportAsync(Complicated(), new StoreImportOptions { Name = "complicated" });
        Assert.That(info.StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/pngqdzggfqs4q7fg6iywqnlzcgsp85qr-complicated"));
    }

    [Test]
    public async Task Import_FileAndSymlink_HaveNixPaths()
    {
        File.WriteAllText(_folder["hello.txt"], "Hello World!");
        File.CreateSymbolicLink(_folder["link"], "/nix/store/somewhereelse");

        Assert.That((await _store.ImportAsync(_folder["hello.txt"])).StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/925f1jb1ajrypjbyq7rylwryqwizvhp0-hello.txt"));
        Assert.That((await _store.ImportAsync(_folder["link"])).StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/hr870lla96737rimmghg3vjcda4zk2y3-link"));
    }

    [Test]
    public async Task Import_Again_KeepsSignaturesAndDeriver()
    {
        PathInfo info = await _store.ImportAsync(Complicated());
        PathInfo signed = info.WithSignature(SigningKey.Generate("test-1").Sign(info.GetFingerprint())) with { Deriver = info.StorePath };
        await _store.PathInfos.PutAsync(signed);

        Assert.That(await _store.ImportAsync(_folder["comp"]), Is.EqualTo(signed));
        Assert.That(await _store.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(signed));
    }

    [Test]
    public async Task Import_Flat_IsTheHashOfTheContents()
    {
        File.WriteAllText(_folder["fixed-hello"], "hello\n");
        PathInfo info = await _store.ImportAsync(_folder["fixed-hello"], new StoreImportOptions { Method = StoreImportMethod.Flat });

        Assert.That(info.StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/a17ah642xc653fw8pfw4kxqcgzjm5qi0-fixed-hello"));
        Assert.That(info.NarHash.ToString(), Is.EqualTo("sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw"));
    }

    [Test]
    public void Import_FlatOfADirectory_IsRefused() =>
        Assert.That(
            async () => await _store.ImportAsync(Complicated(), new StoreImportOptions { Method = StoreImportMethod.Flat }),
            Throws.InstanceOf<ImportException>());

    [Test]
    public async Task Import_ReferencesGivenOrFound_AreTheSame()
    {
        StorePath foo = StorePath.ParseAbsolute("/nix/store/dxwkwjzdaq7ka55pkk252gh32bgpmql4-foo");
        StorePath other = StorePath.ParseAbsolute("/nix/store/vxjiwkjkn7x4079qvh1jkl5pn05j2aw0-foo");
        File.WriteAllText(_folder["script"], $"#!/bin/sh\nexec {foo.ToAbsolutePath()}\n");

        PathInfo given = await _store.ImportAsync(_folder["script"], new StoreImportOptions { References = [foo] });
        PathInfo found = await _store.ImportAsync(_folder["script"], new StoreImportOptions { ReferenceCandidates = [other, foo] });
        PathInfo without = await _store.ImportAsync(_folder["script"]);

        Assert.That(found.References, Is.EqualTo(new[] { foo }));
        Assert.That(found.StorePath, Is.EqualTo(given.StorePath));
        Assert.That(without.StorePath, Is.Not.EqualTo(given.StorePath));
    }

    [TestCase(".")]
    [TestCase("..")]
    [TestCase("not a name")]
    [TestCase("")]
    public void Import_ImpossibleName_IsRefused(string name) =>
        Assert.That(async () => await _store.ImportAsync(Complicated(), new StoreImportOptions { Name = name }), Throws.ArgumentException);

    [Test]
    public async Task OpenFile_PathInTheTree_GivesItsContents()
    {
        Directory.CreateDirectory(_folder["t/bin"]);
        File.WriteAllText(_folder["t/bin/hello"], "hello");
        PathInfo info = await _store.ImportAsync(_folder["t"]);

        await using Stream? file = await _store.OpenFileAsync(info.Node, "bin/hello");
        Assert.That(await new StreamReader(file!, Encoding.UTF8).ReadToEndAsync(), Is.EqualTo("hello"));
        Assert.That(await _store.OpenFileAsync(info.Node, "bin"), Is.Null);
        Assert.That(await _store.OpenFileAsync(info.Node, "bin/nothing"), Is.Null);
        Assert.That(async () => await _store.OpenFileAsync(info.Node, "/bin"), Throws.InstanceOf<FormatException>());
    }

    [Test]
    public async Task Statistics_AfterImports_CountPathsAndBytes()
    {
        await _store.ImportAsync(Complicated());
        await _store.ImportAsync(_folder["comp"], new StoreImportOptions { Name = "again" });

        TvixStoreStatistics statistics = await _store.GetStatisticsAsync();

        Assert.That(statistics.StorePaths, Is.EqualTo(2));
        Assert.That(statistics.NarBytes, Is.EqualTo(1680));
        Assert.That(statistics.Contents?.Chunks, Is.EqualTo(kind == "local:" ? 1 : null), "the empty file");
        Assert.That(statistics.Contents?.Directories, Is.EqualTo(kind == "local:" ? 2 : null));
    }

    [Test]
    public async Task Verify_SoundStore_FindsNothing()
    {
        await _store.ImportAsync(Complicated());
        await foreach (StoreFinding finding in _store.VerifyAsync())
        {
            Assert.Fail(finding.Message);
        }
    }

    [Test]
    public async Task Verify_MissingContents_NamesTheStorePath()
    {
        PathInfo info = await _store.ImportAsync(Complicated());
        await _store.PathInfos.PutAsync(info with { Node = new Castore.Model.Node.File(default, 5, false) });
        List<StoreFinding> findings = [];
        await foreach (StoreFinding finding in _store.VerifyAsync())
        {
            findings.Add(finding);
        }

        Assert.That(findings.Select(finding => finding.StorePath), Is.EqualTo(new[] { info.StorePath }));
    }
}
