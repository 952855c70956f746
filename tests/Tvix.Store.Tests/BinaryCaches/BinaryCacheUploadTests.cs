using System.Text;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.Copy;
using Tvix.Store.Tests.NarInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.BinaryCaches;

/// <summary>What is written to a binary cache, and in which order.</summary>
[TestFixture]
public sealed class BinaryCacheUploadTests
{
    [TestCase(NarCompression.None, ".nar")]
    [TestCase(NarCompression.Xz, ".nar.xz")]
    [TestCase(NarCompression.Zstd, ".nar.zst")]
    [TestCase(NarCompression.Gzip, ".nar")]
    [TestCase(NarCompression.Brotli, ".nar.br")]
    public async Task Upload_WithEachCompression_CanBeFetchedAgain(string compression, string suffix)
    {
        using TempFolder folder = new();
        SampleCache source = await WithTreeAsync();
        SampleCache target = await SampleCache.NewAsync();
        PathInfo info = InfoOf(source);
        BinaryCache cache = target.Open(options => (options.Compression, options.TemporaryFolder) = (compression, folder.Path));

        Assert.That(await cache.UploadAsync(info, source.Blobs, source.Directories), Is.EqualTo(info));

        NarInfo found = (await cache.FindNarInfoAsync(info.StorePath.Digest))!;
        byte[] file = target.Files.Files[found.Url];
        Assert.That(found.Url, Does.StartWith("nar/").And.EndsWith(suffix));
        Assert.That((found.Compression, found.FileHash, found.FileSize), Is.EqualTo((compression, (Sha256Digest?)Sha256Digest.Compute(file), (ulong?)file.Length)));
        Assert.That(found.Url, Does.Contain(Sha256Digest.Compute(file).ToNixBase32String()));
        Assert.That(await cache.FetchAsync(found, target.Blobs, target.Directories), Is.EqualTo(info));
        await target.AssertIsThereAsync(info);
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public async Task Upload_OfANewPath_SendsTheNarFirst()
    {
        (SampleCache source, SampleCache target) = (await WithTreeAsync(), await SampleCache.NewAsync());
        PathInfo info = InfoOf(source);
        await target.Open().UploadAsync(info, source.Blobs, source.Directories);
        Assert.That(target.Files.Calls.Where(call => call.StartsWith("put", StringComparison.Ordinal)).Select(call => call[..7]), Is.EqualTo(new[] { "put nar", $"put {info.StorePath.Digest.ToString()[..3]}" }));
    }

    [Test]
    public async Task Upload_WhenTheNarCannotBeSent_SendsNoNarInfo()
    {
        (SampleCache source, SampleCache target) = (await WithTreeAsync(), await SampleCache.NewAsync());
        target.Files.Fail = call => call.StartsWith("put nar", StringComparison.Ordinal) ? new StorageException("full") : null;
        Assert.That(async () => await target.Open().UploadAsync(InfoOf(source), source.Blobs, source.Directories), Throws.TypeOf<StorageException>());
        Assert.That(target.Files.Files, Is.Empty);
    }

    [Test]
    public async Task Upload_OfContentsThatAreMissing_SendsNothing([Values(NarCompression.None, NarCompression.Zstd)] string compression)
    {
        (SampleCache source, SampleCache target) = (await SampleCache.NewAsync(), await SampleCache.NewAsync());
        using TempFolder folder = new();
        BinaryCache cache = target.Open(options => (options.Compression, options.TemporaryFolder) = (compression, folder.Path));
        Assert.That(async () => await cache.UploadAsync(InfoOf(source), source.Blobs, source.Directories), Throws.InstanceOf<CastoreException>());
        Assert.That(target.Files.Files, Is.Empty);
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public async Task Upload_OfWhatIsThere_SendsNothing()
    {
        (SampleCache source, SampleCache target) = (await WithTreeAsync(), await SampleCache.NewAsync());
        PathInfo info = InfoOf(source);
        await target.Open().UploadAsync(info, source.Blobs, source.Directories);
        Assert.That(await target.Open().UploadAsync(info, source.Blobs, source.Directories), Is.EqualTo(info));
        Assert.That(target.Files.CountOf("put"), Is.EqualTo(2));
    }

    [Test]
    public async Task Upload_OfANarThatIsThereForAnotherPath_SendsTheNarInfoOnly()
    {
        (SampleCache source, SampleCache target) = (await WithTreeAsync(), await SampleCache.NewAsync());
        await target.Open().UploadAsync(InfoOf(source), source.Blobs, source.Directories);
        await target.Open().UploadAsync(InfoOf(source, "other"), source.Blobs, source.Directories);
        Assert.That(target.Files.CountOf("put nar/"), Is.EqualTo(1));
        Assert.That(target.Files.Files.Keys.Count(path => path.EndsWith(".narinfo", StringComparison.Ordinal)), Is.EqualTo(2));
    }

    [Test]
    public async Task Upload_WithOtherSignatures_KeepsBoth()
    {
        (SampleCache source, SampleCache target) = (await WithTreeAsync(), await SampleCache.NewAsync());
        PathInfo info = InfoOf(source);
        NarSignature old = SampleCache.Key.Sign("a"u8);
        NarSignature added = SampleCache.Key.Sign("b"u8);
        BinaryCache cache = target.Open();
        await cache.UploadAsync(info with { Signatures = [old] }, source.Blobs, source.Directories);
        Assert.That(await cache.FindNarInfoAsync(info.StorePath.Digest), Is.Not.Null);

        PathInfo stored = await cache.UploadAsync(info with { Signatures = [added] }, source.Blobs, source.Directories);

        Assert.That(stored.Signatures, Is.EqualTo(new[] { old, added }));
        Assert.That((await cache.FindNarInfoAsync(info.StorePath.Digest))!.Signatures, Is.EqualTo(new[] { old, added }), "what was remembered is forgotten");
        Assert.That(target.Files.CountOf("put nar/"), Is.EqualTo(1));
    }

    [Test]
    public async Task Upload_InPlaceOfABadNarInfo_ReplacesIt()
    {
        (SampleCache source, SampleCache target) = (await WithTreeAsync(), await SampleCache.NewAsync());
        PathInfo info = InfoOf(source);
        string path = BinaryCacheFileName.FormatNarInfo(info.StorePath.Digest);
        target.Files.Files[path] = "bad"u8.ToArray();
        BinaryCache cache = target.Open();
        Assert.That(async () => await cache.FindNarInfoAsync(info.StorePath.Digest), Throws.TypeOf<RefusedStorePathException>());
        await cache.UploadAsync(info, source.Blobs, source.Directories);
        Assert.That((await cache.FindNarInfoAsync(info.StorePath.Digest))!.NarHash, Is.EqualTo(info.NarHash));

        target.Add(nar: "other"u8.ToArray());
        await cache.UploadAsync(info, source.Blobs, source.Directories);
        Assert.That((await cache.FindNarInfoAsync(info.StorePath.Digest))!.NarHash, Is.EqualTo(info.NarHash), "of another NAR");
    }

    [Test]
    public async Task Upload_WhereTheTemporaryFolderIsMissing_IsAStorageException()
    {
        (SampleCache source, SampleCache target) = (await WithTreeAsync(), await SampleCache.NewAsync());
        using TempFolder folder = new();
        BinaryCache cache = target.Open(options => options.TemporaryFolder = folder["none"]);
        Assert.That(async () => await cache.UploadAsync(InfoOf(source), source.Blobs, source.Directories), Throws.TypeOf<StorageException>());
    }

    [Test]
    public async Task Put_ToANewCache_WritesWhatTheCacheIsOnce()
    {
        SampleCache sample = await WithTreeAsync();
        BinaryCachePathInfoService service = sample.OpenService();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(i => service.PutAsync(InfoOf(sample, $"sample-{i}")).AsTask()));
        Assert.That(Encoding.UTF8.GetString(sample.Files.Files["nix-cache-info"]), Does.StartWith("StoreDir: /nix/store\n"));
        Assert.That(sample.Files.CountOf("put nix-cache-info"), Is.EqualTo(1));
        Assert.That(sample.Files.CountOf("open nix-cache-info"), Is.EqualTo(1));
        Assert.That(sample.Files.Calls.First(call => call.StartsWith("put", StringComparison.Ordinal)), Is.EqualTo("put nix-cache-info"), "before all else");
    }

    [Test]
    public async Task Put_ToACacheThatSaysWhatItIs_LeavesThat()
    {
        SampleCache sample = await WithTreeAsync();
        byte[] text = "StoreDir: /nix/store\nPriority: 7\n"u8.ToArray();
        sample.Files.Files["nix-cache-info"] = text;
        await sample.OpenService().PutAsync(InfoOf(sample));
        Assert.That(sample.Files.Files["nix-cache-info"], Is.SameAs(text));
    }

    [Test]
    public async Task Put_ToACacheForAnotherStoreDirectory_IsRefused()
    {
        SampleCache sample = await WithTreeAsync();
        sample.Files.Files["nix-cache-info"] = "StoreDir: /gnu/store\n"u8.ToArray();
        BinaryCachePathInfoService service = sample.OpenService();
        Assert.That(async () => await service.PutAsync(InfoOf(sample)), Throws.TypeOf<StorageException>().With.Message.Contains("/gnu/store"));
        Assert.That(sample.Files.CountOf("put"), Is.Zero);
        sample.Files.Files["nix-cache-info"] = "StoreDir: /nix/store\n"u8.ToArray();
        await service.PutAsync(InfoOf(sample));
    }

    [Test]
    public async Task Put_ToAReadOnlyCache_IsNotSupported()
    {
        SampleCache sample = await SampleCache.NewAsync(readOnly: true);
        Assert.That(async () => await sample.OpenService().PutAsync(InfoOf(sample)), Throws.TypeOf<NotSupportedException>());
        sample.Files.Files["nix-cache-info"] = "StoreDir: /nix/store\n"u8.ToArray();
        await sample.FetchAsync(sample.Add("contents"));
        Assert.That(async () => await sample.OpenService().PutAsync(InfoOf(sample)), Throws.TypeOf<NotSupportedException>());
    }

    private static PathInfo InfoOf(SampleCache sample, string name = "sample") => new()
    {
        StorePath = SampleClosure.PathOf(name),
        Node = sample.Root,
        NarSize = (ulong)sample.Nar.Length,
        NarHash = Sha256Digest.Compute(sample.Nar),
        References = [SampleClosure.PathOf("other")],
        Deriver = SampleClosure.PathOf("sample.drv"),
        Signatures = [NarInfo.Parse(NarInfoSamples.Text).Signatures[0]],
    };

    /// <summary>A cache whose tree is in its services already, and which is empty.</summary>
    private static async Task<SampleCache> WithTreeAsync()
    {
        SampleCache sample = await SampleCache.NewAsync();
        await sample.FetchAsync(sample.Add());
        sample.Files.Files.Clear();
        sample.Files.Calls.Clear();
        return sample;
    }
}
