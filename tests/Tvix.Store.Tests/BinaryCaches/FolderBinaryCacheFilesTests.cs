using System.Text;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.Tests.Copy;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.BinaryCaches;

[TestFixture]
public sealed class FolderBinaryCacheFilesTests
{
    [Test]
    public async Task Put_ThenOpen_GivesTheContents()
    {
        using TempFolder folder = new();
        FolderBinaryCacheFiles files = new(folder["cache"]);
        Assert.That(await files.OpenAsync("nar/x.nar"), Is.Null, "the folder does not even exist");
        Assert.That(await files.HasAsync("nar/x.nar"), Is.False);
        await files.PutAsync("nar/x.nar", "text/plain", BinaryCacheContents.From("old"u8.ToArray()));
        await files.PutAsync("nar/x.nar", "text/plain", BinaryCacheContents.From("new"u8.ToArray()));
        Assert.That(await files.HasAsync("nar/x.nar"), Is.True);
        Assert.That(await ReadAsync(files, "nar/x.nar"), Is.EqualTo("new"));
        Assert.That(await ReadAsync(files, "nar/x.nar?hash=1"), Is.EqualTo("new"), "as URLs of other caches have it");
        Assert.That(Directory.EnumerateFiles(folder["cache"], "*", SearchOption.AllDirectories).Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task Put_ThatFails_LeavesWhatWasThere()
    {
        using TempFolder folder = new();
        FolderBinaryCacheFiles files = new(folder.Path);
        await files.PutAsync("x", "text/plain", BinaryCacheContents.From("old"u8.ToArray()));
        foreach (Exception failure in (Exception[])[new IOException("disk full"), new StorageException("source is gone"), new OperationCanceledException()])
        {
            BinaryCacheContents broken = new(100, async (destination, _) =>
            {
                await destination.WriteAsync(new byte[50]);
                Assert.That(await ReadAsync(files, "x"), Is.EqualTo("old"), "nobody sees a part");
                throw failure;
            });
            Assert.That(
                async () => await files.PutAsync("x", "text/plain", broken),
                failure is IOException ? Throws.TypeOf<StorageException>() : Throws.Exception.SameAs(failure));
            Assert.That(await ReadAsync(files, "x"), Is.EqualTo("old"));
            Assert.That(Directory.EnumerateFileSystemEntries(folder.Path).Count(), Is.EqualTo(1));
        }
    }

    [Test]
    public async Task Any_OfAPlaceThatIsNone_IsAStorageException()
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["file"], "x");
        FolderBinaryCacheFiles files = new(folder["file"]);
        Assert.That(async () => await files.PutAsync("x", "text/plain", BinaryCacheContents.From(default)), Throws.TypeOf<StorageException>());
        Directory.CreateDirectory(folder["d/sub"]);
        Assert.That(async () => await new FolderBinaryCacheFiles(folder["d"]).OpenAsync("sub"), Throws.TypeOf<StorageException>());
    }

    [TestCase("../secret")]
    [TestCase("nar/../../secret")]
    [TestCase("/etc/passwd")]
    [TestCase("nar//x")]
    [TestCase("./x")]
    [TestCase("nar/..")]
    [TestCase("file:///etc/passwd")]
    [TestCase("http://example.org/x")]
    [TestCase("x\0y")]
    public async Task Any_OutsideOfTheFolder_IsRefused(string path)
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["secret"], "x");
        FolderBinaryCacheFiles files = new(folder["cache"]);
        Assert.That(async () => await files.OpenAsync(path), Throws.TypeOf<StorageException>().With.Message.Contains("not below"));
        Assert.That(async () => await files.HasAsync(path), Throws.TypeOf<StorageException>());
        Assert.That(async () => await files.PutAsync(path, "text/plain", BinaryCacheContents.From(default)), Throws.TypeOf<StorageException>());
        Assert.That(await File.ReadAllTextAsync(folder["secret"]), Is.EqualTo("x"));
    }

    [Test]
    public async Task List_GivesTheHashPartsOfNarInfos()
    {
        using TempFolder folder = new();
        FolderBinaryCacheFiles files = new(folder["cache"]);
        Assert.That(await ListAsync(files), Is.Empty);
        StorePathDigest[] all = [.. Enumerable.Range(0, 3).Select(i => SampleClosure.PathOf($"{i}").Digest)];
        foreach (StorePathDigest digest in all)
        {
            await files.PutAsync(BinaryCacheFileName.FormatNarInfo(digest), "text/plain", BinaryCacheContents.From("x"u8.ToArray()));
        }

        foreach (string other in (string[])["nix-cache-info", "bad.narinfo", "nar/x.narinfo", $"{all[0]}.narinfo.tmp", $"{all[0]}.ls"])
        {
            await files.PutAsync(other, "text/plain", BinaryCacheContents.From("x"u8.ToArray()));
        }

        Assert.That(await ListAsync(files), Is.EquivalentTo(all));
    }

    private static async Task<string?> ReadAsync(FolderBinaryCacheFiles files, string path)
    {
        await using Stream? stream = await files.OpenAsync(path);
        return stream is null ? null : await new StreamReader(stream, Encoding.UTF8).ReadToEndAsync();
    }

    private static async Task<List<StorePathDigest>> ListAsync(FolderBinaryCacheFiles files)
    {
        List<StorePathDigest> all = [];
        await foreach (StorePathDigest digest in files.ListAsync())
        {
            all.Add(digest);
        }

        return all;
    }
}
