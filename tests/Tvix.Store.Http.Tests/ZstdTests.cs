using System.Net;
using NUnit.Framework;
using Tvix.Castore.Compression;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

/// <summary>NARs as zstd: from a store in memory, and from embedded stores that compress or do not.</summary>
[TestFixture("memory")]
[TestFixture("none")]
[TestFixture("zstd")]
public sealed class ZstdTests(string kind)
{
    private TempFolder _folder = null!;
    private LocalStore? _local;
    private TvixStore _store = null!;
    private CacheServer _server = null!;
    private PathInfo _info = null!;
    private byte[] _nar = null!;
    private string _path = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        _local = kind == "memory" ? null : new LocalStore(new LocalStoreOptions
        {
            Path = _folder["store"],
            Compression = kind == "zstd" ? LocalCompression.Zstd : LocalCompression.None,
            AverageChunkSize = 16 * 1024,
        });
        _store = _local is null ? CacheServer.NewStore() : new TvixStore(_local.Blobs, _local.Directories, new MemoryPathInfoService());
        _server = await CacheServer.StartAsync(_store);
        byte[] text = new byte[200_000];
        for (int i = 0; i < text.Length; i++)
        {
            text[i] = (byte)('a' + ((i * i / 1000) % 20));
        }

        CastoreDirectory root = CastoreDirectory.FromEntries(
        [
            new DirectoryEntry(new PathComponent("text"u8), await _server.AddFileAsync(text)),
            new DirectoryEntry(new PathComponent("tree"u8), await _server.AddTreeAsync()),
        ]);
        await _store.Directories.PutAsync(root);
        _info = await _server.AddAsync("tree", root.ToNode());
        _nar = await _server.RenderAsync(_info.Node);
        _path = BinaryCacheFileName.FormatCastoreNar(_info.Node, _info.NarSize);
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        await (_local?.DisposeAsync() ?? ValueTask.CompletedTask);
        _folder.Dispose();
    }

    [Test]
    public async Task Nar_ForWhoAcceptsZstd_TravelsAsZstd()
    {
        HttpResponseMessage response = await _server.GetAsync(_path, ("Accept-Encoding", "gzip, zstd"));
        byte[] body = await response.Content.ReadAsByteArrayAsync();
        Assert.That(response.Content.Headers.ContentEncoding, Is.EqualTo((string[])["zstd"]));
        Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo("application/x-nix-nar"));
        Assert.That(response.Headers.TransferEncodingChunked, Is.True, "the length is not known before");
        Assert.That(response.Headers.AcceptRanges, Is.Empty);
        Assert.That(response.Headers.Vary, Is.EqualTo((string[])["Accept-Encoding"]));
        Assert.That(Zstd.Decompress(body, 10 << 20).AsSpan().SequenceEqual(_nar));
        Assert.That(body.Length, kind == "none" ? Is.GreaterThan(_nar.Length) : Is.LessThan(_nar.Length - 100_000));

        HttpResponseMessage plain = await _server.GetAsync(_path);
        Assert.That(plain.Headers.Vary, Is.EqualTo((string[])["Accept-Encoding"]));
        Assert.That(response.Headers.ETag!.IsWeak, Is.True);
        Assert.That(response.Headers.ETag!.Tag, Is.Not.EqualTo(plain.Headers.ETag!.Tag));
        HttpResponseMessage again = await _server.GetAsync(_path, ("Accept-Encoding", "zstd"), ("If-None-Match", response.Headers.ETag.ToString()));
        Assert.That((again.StatusCode, (await again.Content.ReadAsByteArrayAsync()).Length), Is.EqualTo((HttpStatusCode.NotModified, 0)));
        Assert.That((await _server.GetAsync(_path, ("If-None-Match", response.Headers.ETag.ToString()))).StatusCode, Is.EqualTo(HttpStatusCode.OK));

        HttpResponseMessage head = await _server.HeadAsync(_path, ("Accept-Encoding", "gzip, zstd"));
        Assert.That((head.Headers.ETag, head.Content.Headers.ContentEncoding), Is.EqualTo((response.Headers.ETag, response.Content.Headers.ContentEncoding)));
    }

    [TestCase("zstd", true)]
    [TestCase("ZSTD;q=0.1", true)]
    [TestCase("identity;q=0.5, zstd", true)]
    [TestCase("zstd;q=0", false)]
    [TestCase("identity, zstd;q=0.5", false)]
    [TestCase("gzip, br", false)]
    [TestCase("*", false)]
    [TestCase("", false)]
    [TestCase(";;;", false)]
    public async Task Nar_TravelsAsTheClientSays(string accepted, bool isZstd)
    {
        HttpResponseMessage response = await _server.HeadAsync(_path, ("Accept-Encoding", accepted));
        Assert.That((response.StatusCode, response.Content.Headers.ContentEncoding.Count), Is.EqualTo((HttpStatusCode.OK, isZstd ? 1 : 0)));
    }

    [Test]
    public async Task Range_OfWhoAcceptsZstd_IsOfTheNar()
    {
        HttpResponseMessage response = await _server.GetAsync(_path, ("Accept-Encoding", "zstd"), ("Range", "bytes=8-20"));
        Assert.That((response.StatusCode, response.Content.Headers.ContentEncoding), Is.EqualTo((HttpStatusCode.PartialContent, Array.Empty<string>())));
        Assert.That(await response.Content.ReadAsByteArrayAsync(), Is.EqualTo(_nar[8..21]));
    }

    [TestCase(NarUrlStyle.TvixCastore)]
    [TestCase(NarUrlStyle.SnixCastore)]
    [TestCase(NarUrlStyle.NarHash)]
    public async Task NarInfo_OfCompressedNars_TellsOfAFileThatIsServed(NarUrlStyle style)
    {
        await using CacheServer server = await CacheServer.StartAsync(_store, new NixBinaryCacheOptions { NarUrls = style, NarCompression = NarCompression.Zstd });
        NarInfo info = NarInfo.Parse(await server.Client.GetByteArrayAsync($"{_info.StorePath.Digest}.narinfo"));
        Assert.That((info.Compression, info.FileHash, info.FileSize), Is.EqualTo(("zstd", (object?)null, (object?)null)));
        Assert.That((info.NarHash, info.NarSize), Is.EqualTo((_info.NarHash, _info.NarSize)));
        Assert.That(info.Url, Does.Contain(".nar.zst?"));

        // The compression of the file is not one of the way, so a client that accepts zstd gets the same.
        foreach (string accepted in (string[])["", "zstd"])
        {
            HttpResponseMessage response = await server.GetAsync(info.Url, ("Accept-Encoding", accepted));
            Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo("application/zstd"));
            Assert.That(response.Content.Headers.ContentEncoding, Is.Empty);
            Assert.That(Zstd.Decompress(await response.Content.ReadAsByteArrayAsync(), 10 << 20).AsSpan().SequenceEqual(_nar));
            Assert.That((await server.GetAsync(info.Url, ("If-None-Match", response.Headers.ETag!.ToString()))).StatusCode, Is.EqualTo(HttpStatusCode.NotModified));
        }

        HttpResponseMessage head = await server.HeadAsync(info.Url);
        Assert.That((head.StatusCode, head.Content.Headers.ContentLength), Is.EqualTo((HttpStatusCode.OK, (long?)null)));
        Assert.That((await _server.GetAsync(info.Url)).StatusCode, Is.EqualTo(HttpStatusCode.OK), "from a cache that does not tell of it, too");
    }

    [Test]
    public async Task NarZst_OfWhatIsNotThere_IsNotFound()
    {
        Assert.That((await _server.GetAsync("nar/tvix-castore/EiQSIFyngVrctITpoTbBHv5pwdUwF21Um10Y0DjrUoC0s0cMGAw.nar.zst?narsize=128")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await _server.GetAsync($"nar/{BinaryCacheFileName.FormatNar(_info.NarHash, ".zst")}")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound), "no narinfo was asked for");
    }

    [Test]
    public async Task Nar_OfWhichTheLastChunkIsDamaged_IsCut()
    {
        if (_local is null)
        {
            return; // see FailureTests
        }

        // The last blob of the tree in the order of the NAR: "#!/bin/sh\n" is before it, so the connection breaks when most was sent.
        string pack = Directory.GetFiles(_folder["store/packs"], "*.pack").Single();
        byte[] bytes = await File.ReadAllBytesAsync(pack);
        int at = bytes.AsSpan().IndexOf("seven b"u8);
        bytes[at] ^= 1;
        await File.WriteAllBytesAsync(pack, bytes);
        Assert.That(async () => await _server.SendAsync(HttpMethod.Get, _path, null, ("Accept-Encoding", "zstd")), Throws.InstanceOf<HttpRequestException>());
        Assert.That(_server.Log, Has.Some.Contain("The store failed while GET"));
    }

    [Test]
    public void Options_WithAnotherCompression_AreRefused() => Assert.That(
        async () => await CacheServer.StartAsync(_store, new NixBinaryCacheOptions { NarCompression = "xz" }),
        Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("NarCompression"));
}
