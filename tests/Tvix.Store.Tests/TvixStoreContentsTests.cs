using NUnit.Framework;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests;

/// <summary>Import of contents whose path info is known.</summary>
[TestFixture]
public sealed class TvixStoreContentsTests
{
    private TempFolder _folder = null!;
    private TvixStore _store = null!;

    [SetUp]
    public void Open()
    {
        _folder = new TempFolder();
        _store = TvixStore.Open("memory:");
    }

    [TearDown]
    public async Task Close()
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>A file, a link, or a folder with both; all of them below the folder of the test.</summary>
    private string Make(string kind)
    {
        string path = _folder[kind];
        switch (kind)
        {
            case "file":
                File.WriteAllBytes(path, new byte[300_001]);
                break;
            case "link":
                File.CreateSymbolicLink(path, "nowhere");
                break;
            default:
                Directory.CreateDirectory(Path.Combine(path, "sub", "empty"));
                File.WriteAllBytes(Path.Combine(path, "sub", "file"), new byte[300_001]);
                File.CreateSymbolicLink(Path.Combine(path, "sub", "link"), "nowhere");
                break;
        }

        return path;
    }

    /// <summary>What another store has of it.</summary>
    private static async Task<PathInfo> ReferenceAsync(string path)
    {
        await using TvixStore other = TvixStore.Open("memory:");
        return await other.ImportAsync(path);
    }

    [TestCase("file")]
    [TestCase("link")]
    [TestCase("folder")]
    public async Task ImportContents_Expected_StoresThemWithoutAPathInfo(string kind)
    {
        string path = Make(kind);
        PathInfo expected = await ReferenceAsync(path);
        ContentsImportOptions options = new() { ExpectedSha256 = expected.NarHash, ExpectedSize = expected.NarSize };
        foreach (ContentsImportOptions? known in new[] { options, null, new ContentsImportOptions { ExpectedSha256 = expected.NarHash } })
        {
            NarIngestResult found = await _store.ImportContentsAsync(path, known);
            Assert.That(found, Is.EqualTo(new NarIngestResult(expected.Node, expected.NarSize, expected.NarHash)));
            Assert.That(await _store.WriteNarAsync(found.Root, Stream.Null), Is.EqualTo(expected.NarSize));
        }

        Assert.That(await _store.PathInfos.GetAsync(expected.StorePath.Digest), Is.Null);
    }

    [TestCase("file")]
    [TestCase("link")]
    [TestCase("folder")]
    public async Task ImportContents_OtherHash_FailsAndNoDirectoryIsVisible(string kind)
    {
        string path = Make(kind);
        PathInfo expected = await ReferenceAsync(path);
        Sha256Digest other = Sha256Digest.Compute("other"u8);
        ContentsImportOptions options = new() { ExpectedSha256 = other, ExpectedSize = expected.NarSize };

        NarHashMismatchException? e = Assert.ThrowsAsync<NarHashMismatchException>(async () => await _store.ImportContentsAsync(path, options));
        Assert.That(e!.Kind, Is.EqualTo(NarMismatch.NarHash));
        Assert.That(e.Expected, Is.EqualTo(other.ToNixHash()));
        Assert.That(e.Actual, Is.EqualTo(expected.NarHash.ToNixHash()));
        await AssertNoDirectoryAsync(expected.Node);
    }

    [TestCase("file", -8)]
    [TestCase("file", 8)]
    [TestCase("link", -8)]
    [TestCase("link", 8)]
    [TestCase("folder", -8)]
    [TestCase("folder", 8)]
    public async Task ImportContents_OtherSize_FailsAndNoDirectoryIsVisible(string kind, int difference)
    {
        string path = Make(kind);
        PathInfo expected = await ReferenceAsync(path);
        ContentsImportOptions options = new() { ExpectedSha256 = expected.NarHash, ExpectedSize = expected.NarSize + (ulong)difference };

        NarHashMismatchException? e = Assert.ThrowsAsync<NarHashMismatchException>(async () => await _store.ImportContentsAsync(path, options));
        Assert.That(e!.Kind, Is.EqualTo(NarMismatch.Size));
        await AssertNoDirectoryAsync(expected.Node);
    }

    [Test]
    public void ImportContents_NothingThere_IsAnImportException()
    {
        Assert.That(async () => await _store.ImportContentsAsync(_folder["nothing"]), Throws.TypeOf<ImportException>());
        Assert.That(async () => await _store.ImportContentsAsync(""), Throws.ArgumentException);
    }

    private async Task AssertNoDirectoryAsync(Node root)
    {
        if (root is Node.Directory directory)
        {
            Assert.That(await _store.Directories.GetAsync(directory.Digest), Is.Null);
        }
    }
}
