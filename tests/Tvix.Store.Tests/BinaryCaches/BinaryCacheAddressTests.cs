using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Composition;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.Copy;
using Tvix.Store.Tests.NarInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.BinaryCaches;

/// <summary>Binary caches by their addresses, alone and behind a cache.</summary>
[TestFixture]
public sealed class BinaryCacheAddressTests
{
    [TestCase("nix+https://cache.example.org")]
    [TestCase("nix+http://cache.example.org:8080/sub/")]
    [TestCase("nix+https://me:secret@cache.example.org")]
    [TestCase("nix+https://cache.example.org?compression=xz&priority=-5&store-dir=/gnu/store&temporary-folder=/tmp")]
    [TestCase("nix+https://cache.example.org?timeout=5&connect-timeout=0.5&retries=0&netrc-file=/x&token-file=/y")]
    [TestCase("nix+https://cache.example.org?trusted-public-keys=")]
    [TestCase("nix+https://cache.example.org?trusted-public-keys=" + NarInfoSamples.TestKey)]
    [TestCase("file:///srv/cache")]
    [TestCase("file:///srv/cache?compression=none&priority=1&trusted-public-keys=" + NarInfoSamples.TestKey)]
    public async Task Open_Good_Opens(string address)
    {
        StoreAddressResolver.Default.Check(StoreAddress.Parse(address));
        await using TvixStore store = TvixStore.Open(address.Replace("&temporary-folder=/tmp", "", StringComparison.Ordinal));
        Assert.That(store.PathInfos, Is.InstanceOf<BinaryCachePathInfoService>());
    }

    [TestCase("nix+https:", "needs the URL")]
    [TestCase("nix+https://", "needs the URL")]
    [TestCase("nix+http:relative", "needs the URL")]
    [TestCase("nix+ftp://cache.example.org", "nix+ftp")]
    [TestCase("file:relative", "absolute path")]
    [TestCase("file://", "absolute path")]
    [TestCase("file:///", "absolute path")]
    [TestCase("file:///x?compression=bzip2", "'compression=bzip2'")]
    [TestCase("file:///x?compression=", "'compression='")]
    [TestCase("file:///x?priority=high", "'priority=high'")]
    [TestCase("file:///x?store-dir=relative", "store")]
    [TestCase("file:///x?temporary-folder=", "'temporary-folder='")]
    [TestCase("file:///x?timeout=5", "'timeout=5'")]
    [TestCase("file:///x?netrc-file=/x", "'netrc-file=/x'")]
    [TestCase("file:///x?trusted-public-keys=bad", "bad")]
    [TestCase("nix+https://x?timeout=0", "'timeout=0'")]
    [TestCase("nix+https://x?timeout=-1", "'timeout=-1'")]
    [TestCase("nix+https://x?timeout=NaN", "'timeout=NaN'")]
    [TestCase("nix+https://x?timeout=86401", "'timeout=86401'")]
    [TestCase("nix+https://x?connect-timeout=soon", "'connect-timeout=soon'")]
    [TestCase("nix+https://x?retries=101", "'retries=101'")]
    [TestCase("nix+https://x?retries=-1", "'retries=-1'")]
    [TestCase("nix+https://x?token-file=", "'token-file='")]
    [TestCase("nix+https://x?unknown=1", "'unknown=1'")]
    public void Open_Bad_SaysWhat(string address, string what)
    {
        Assert.That(() => TvixStore.Open(address), Throws.InstanceOf<FormatException>().With.Message.Contains(what));
        Assert.That(() => StoreAddressResolver.Default.Check(StoreAddress.Parse(address)), Throws.InstanceOf<FormatException>());
    }

    [Test]
    public async Task Open_AFolder_FetchesIntoATemporaryStoreThatIsDeleted()
    {
        using TempFolder folder = new();
        PathInfo info = await FillAsync(folder["cache"], "sample");
        string temporary = Directory.CreateDirectory(folder["temporary"]).FullName;
        TvixStore store = TvixStore.Open($"file://{folder["cache"]}?temporary-folder={temporary}");
        Assert.That(Directory.EnumerateFileSystemEntries(temporary), Is.Empty, "nothing was needed yet");
        Assert.That(await store.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
        Assert.That(await store.WriteNarAsync(info.Node, Stream.Null), Is.EqualTo(info.NarSize));
        Assert.That(Directory.EnumerateFileSystemEntries(temporary), Is.Not.Empty);
        await store.DisposeAsync();
        Assert.That(Directory.EnumerateFileSystemEntries(temporary), Is.Empty);
    }

    [Test]
    public async Task Open_WithTrustedKeys_RefusesWhatIsNotSigned()
    {
        using TempFolder folder = new();
        PathInfo unsigned = await FillAsync(folder["cache"], "unsigned");
        PathInfo signed = await FillAsync(folder["cache"], "signed", SampleCache.Key);
        await using TvixStore store = TvixStore.Open($"file://{folder["cache"]}?trusted-public-keys={Uri.EscapeDataString(NarInfoSamples.TestKey)}");
        Assert.That(await store.PathInfos.GetAsync(signed.StorePath.Digest), Is.EqualTo(signed));
        Assert.That(async () => await store.PathInfos.GetAsync(unsigned.StorePath.Digest), Throws.TypeOf<RefusedStorePathException>());
    }

    [Test]
    public async Task OpenCache_OverSeveral_FetchesFromAllIntoTheNearStore([Values(" ", "\n  ")] string space)
    {
        using TempFolder folder = new();
        PathInfo one = await FillAsync(folder["one"], "one");
        PathInfo two = await FillAsync(folder["two"], "two");
        string temporary = Directory.CreateDirectory(folder["temporary"]).FullName;
        string far = Uri.EscapeDataString($"file://{folder["one"]}?temporary-folder={temporary}{space}file://{folder["two"]}?temporary-folder={temporary}");
        string address = $"cache:?near={Uri.EscapeDataString("local:" + folder["near"])}&far={far}";
        StoreAddressResolver.Default.Check(StoreAddress.Parse(address));
        await using (TvixStore store = TvixStore.Open(address))
        {
            Assert.That(await store.PathInfos.GetAsync(one.StorePath.Digest), Is.EqualTo(one));
            Assert.That(await store.PathInfos.GetAsync(two.StorePath.Digest), Is.EqualTo(two));
            Assert.That(await store.PathInfos.GetAsync(default), Is.Null);
            Assert.That(Directory.EnumerateFileSystemEntries(temporary), Is.Empty, "contents go near, and nowhere else");
        }

        await using TvixStore near = TvixStore.Open("local:" + folder["near"]);
        foreach (PathInfo info in (PathInfo[])[one, two])
        {
            Assert.That(await near.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
            Assert.That(await near.WriteNarAsync(info.Node, Stream.Null), Is.EqualTo(info.NarSize));
        }
    }

    [TestCase("memory: file:///srv/cache", "must all be binary caches")]
    [TestCase("file:///srv/cache memory:", "must all be binary caches")]
    [TestCase("memory: memory:", "must all be binary caches")]
    [TestCase("file:///srv/cache file:relative", "absolute path")]
    [TestCase("", "")]
    public void OpenCache_OverAWrongMixture_SaysWhat(string far, string what)
    {
        string address = $"cache:?near=memory:&far={Uri.EscapeDataString(far)}";
        Assert.That(() => TvixStore.Open(address), Throws.InstanceOf<FormatException>().With.Message.Contains(what));
        Assert.That(() => StoreAddressResolver.Default.Check(StoreAddress.Parse(address)), Throws.InstanceOf<FormatException>());
    }

    [Test]
    public async Task OpenCache_OverAFolderWithASpaceInItsName_IsOne()
    {
        using TempFolder folder = new();
        PathInfo info = await FillAsync(folder["my cache"], "sample");
        await using TvixStore store = TvixStore.Open($"cache:?near=memory:&far={Uri.EscapeDataString($"file://{folder["my cache"]}")}");
        Assert.That(await store.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
    }

    [Test]
    public async Task OpenCache_WritingFar_UploadsToTheFolder()
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["hello.txt"], "Hello World!");
        string far = Uri.EscapeDataString($"file://{folder["cache"]}?compression=none");
        PathInfo info;
        await using (TvixStore store = TvixStore.Open($"cache:?near=memory:&far={far}&writes=both"))
        {
            info = await store.ImportAsync(folder["hello.txt"]);
        }

        await using TvixStore other = TvixStore.Open($"file://{folder["cache"]}");
        Assert.That(await other.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
        Assert.That(File.Exists(folder["cache/nix-cache-info"]), Is.True);
    }

    /// <summary>Uploads a tree to a cache in a folder.</summary>
    private static async Task<PathInfo> FillAsync(string folder, string name, SigningKey? key = null)
    {
        SampleCache sample = await SampleCache.NewAsync();
        PathInfo info = await sample.FetchAsync(sample.Add(name));
        info = key is null ? info : info with { Signatures = [key.Sign(info.ToNarInfo("-").GetFingerprint())] };
        return await new BinaryCachePathInfoService(new BinaryCache(new FolderBinaryCacheFiles(folder)), sample.Blobs, sample.Directories).PutAsync(info);
    }
}
