using System.Net;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Tests;

[TestFixture]
public sealed class ReadTests
{
    private const string Dummy = "00000000000000000000000000000000";
    private const string SymlinkNode = "GhoSGC9uaXgvc3RvcmUvc29tZXdoZXJlZWxzZQ";

    private CacheServer _server = null!;
    private PathInfo _tree = null!;
    private byte[] _nar = null!;
    private string _narPath = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _server = await CacheServer.StartAsync();
        _tree = await _server.AddAsync("tree", await _server.AddTreeAsync());
        _nar = await _server.RenderAsync(_tree.Node);
        _narPath = BinaryCacheFileName.FormatCastoreNar(_tree.Node, _tree.NarSize);
    }

    [OneTimeTearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [TearDown]
    public void LogHasNoFailures()
    {
        string[] lines = [.. _server.Log];
        _server.Log.Clear();
        Assert.That(lines.Where(line => line.StartsWith("Error", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task CacheInfo_Get_IsWhatNixExpects()
    {
        HttpResponseMessage response = await _server.GetAsync("nix-cache-info");
        Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 39\n"));
        Assert.That(response.Content.Headers.ContentType!.MediaType, Is.EqualTo("text/x-nix-cache-info"));
        HttpResponseMessage head = await _server.HeadAsync("nix-cache-info");
        Assert.That((head.StatusCode, head.Content.Headers.ContentLength), Is.EqualTo((HttpStatusCode.OK, (long?)51)));
    }

    [Test]
    public async Task CacheInfo_OfOptions_SaysSo()
    {
        await using CacheServer server = await CacheServer.StartAsync(
            options: new NixBinaryCacheOptions { StoreDirectory = new StoreDirectory("/gnu/store"), WantMassQuery = false, Priority = 7 });
        Assert.That(await server.Client.GetStringAsync("nix-cache-info"), Is.EqualTo("StoreDir: /gnu/store\nPriority: 7\n"));
    }

    [Test]
    public async Task NarInfo_OfTheVector_HasTheTextOfTheSpecificationAndTheFile()
    {
        await using CacheServer server = await CacheServer.StartAsync();
        await PutDummyAsync(server);
        HttpResponseMessage response = await server.GetAsync(Dummy + ".narinfo");
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo("text/x-nix-narinfo"));
        Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo(
            $"""
            StorePath: /nix/store/{Dummy}-dummy
            URL: nar/tvix-castore/{SymlinkNode}?narsize=136
            Compression: none
            FileHash: sha256:1wcwacrb5q36hpsx1shk0dkm26hwbmqmgi0nm973h9jqkdz3jz89
            FileSize: 136
            NarHash: sha256:1wcwacrb5q36hpsx1shk0dkm26hwbmqmgi0nm973h9jqkdz3jz89
            NarSize: 136
            References: 

            """));
    }

    [TestCase(NarUrlStyle.SnixCastore, "nar/snix-castore/" + SymlinkNode + "?narsize=136")]
    [TestCase(NarUrlStyle.NarHash, "nar/1wcwacrb5q36hpsx1shk0dkm26hwbmqmgi0nm973h9jqkdz3jz89.nar?path=" + Dummy)]
    public async Task NarInfo_OfAnotherStyle_HasAnotherUrlThatIsServed(NarUrlStyle style, string url)
    {
        await using CacheServer server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions { NarUrls = style });
        await PutDummyAsync(server);
        Assert.That(await (await server.GetAsync(url)).Content.ReadAsByteArrayAsync(), Has.Length.EqualTo(136), "without asking for the narinfo");
        Assert.That(NarInfo.Parse(await server.Client.GetByteArrayAsync(Dummy + ".narinfo")).Url, Is.EqualTo(url));
    }

    [Test]
    public async Task NarInfo_WithKeys_IsSignedOnceByEach()
    {
        SigningKey key = SigningKey.Parse("do.not.use:sGPzxuK5WvWPraytx+6sjtaff866sYlfvErE6x0hFEhy5eqe7OVZ8ZMqZ/ME/HaRdKGNGvJkyGKXYTaeA6lR3A==");
        SigningKey other = SigningKey.Generate("other");
        await using CacheServer server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions { SigningKeys = { key, other } });
        PathInfo info = await PutDummyAsync(server);
        await server.Store.PathInfos.PutAsync(info.WithSignature(key.Sign(info.GetFingerprint())));
        NarInfo served = NarInfo.Parse(await server.Client.GetByteArrayAsync(Dummy + ".narinfo"));
        Assert.That(served.Signatures.Select(signature => signature.Name), Is.EqualTo((string[])["do.not.use", "other"]));
        Assert.That(served.Signatures[0].ToString(), Is.EqualTo(
            "do.not.use:d/6grhFc7RIZK2FR1svFF8d3u22l2R1kU72Qs5zsqIOptthdueICLAc6sP51RPVmpiJruySSG6GHdeUeCHXuDQ=="));
        Assert.That(new TrustedKeys([other.PublicKey]).Accepts(served.GetFingerprint(), served.Signatures), Is.True);
    }

    [Test]
    public async Task NarInfo_WithItsTag_IsNotSentAgain()
    {
        HttpResponseMessage first = await _server.GetAsync(NarInfoPath);
        string tag = first.Headers.ETag!.ToString();
        HttpResponseMessage second = await _server.GetAsync(NarInfoPath, ("If-None-Match", $"\"x\", {tag}"));
        Assert.That((second.StatusCode, await second.Content.ReadAsStringAsync()), Is.EqualTo((HttpStatusCode.NotModified, "")));
        Assert.That((await _server.GetAsync(NarInfoPath, ("If-None-Match", "\"x\""))).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(first.Headers.CacheControl!.NoCache, Is.True);
    }

    [Test]
    public async Task Head_OfEverything_HasTheHeadersOfGetAndNoBody()
    {
        await _server.GetAsync(NarInfoPath);
        foreach (string path in (string[])
            ["nix-cache-info", NarInfoPath, ListingPath, _narPath, _narPath.Replace("tvix-", "snix-"), $"nar/{BinaryCacheFileName.FormatNar(_tree.NarHash)}", $"{Dummy}.narinfo", "log/x.drv"])
        {
            HttpResponseMessage get = await _server.GetAsync(path);
            HttpResponseMessage head = await _server.HeadAsync(path);
            Assert.That(head.StatusCode, Is.EqualTo(get.StatusCode), path);
            Assert.That(head.Content.Headers.ToString(), Is.EqualTo(get.Content.Headers.ToString()), path);
            Assert.That(head.Headers.ETag, Is.EqualTo(get.Headers.ETag), path);
            Assert.That(await head.Content.ReadAsByteArrayAsync(), Is.Empty, path);
        }
    }

    [Test]
    public async Task Listing_OfATree_FindsFilesInTheNar()
    {
        HttpResponseMessage response = await _server.GetAsync(ListingPath);
        Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo("application/json"));
        Nar.NarListing listing = Nar.NarListing.Parse(await response.Content.ReadAsByteArrayAsync());
        Nar.NarListingNode.File file = (Nar.NarListingNode.File)listing.Locate("small")!;
        HttpResponseMessage part = await _server.GetAsync(_narPath, ("Range", $"bytes={file.NarOffset}-{file.NarOffset + file.Size - 1}"));
        Assert.That((part.StatusCode, await part.Content.ReadAsStringAsync()), Is.EqualTo((HttpStatusCode.PartialContent, "seven b")));
        Assert.That((await _server.GetAsync(ListingPath, ("If-None-Match", response.Headers.ETag!.ToString()))).StatusCode, Is.EqualTo(HttpStatusCode.NotModified));
    }

    [Test]
    public async Task Listing_ThatJsonCannotHold_IsNotThere()
    {
        CastoreDirectory directory = CastoreDirectory.FromEntries([new DirectoryEntry(new PathComponent([0xff]), await _server.AddFileAsync([]))]);
        await _server.Store.Directories.PutAsync(directory);
        PathInfo info = await _server.AddAsync("bytes", directory.ToNode());
        Assert.That((await _server.GetAsync($"{info.StorePath.Digest}.ls")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await _server.GetAsync($"{info.StorePath.Digest}.narinfo")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Listing_OfTooLargeATree_IsNotThere()
    {
        await using CacheServer server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions { MaxListingNodes = 3 });
        PathInfo info = await server.AddAsync("tree", await server.AddTreeAsync());
        Assert.That((await server.GetAsync($"{info.StorePath.Digest}.ls")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [Test]
    public async Task Nar_ByNode_IsTheNar()
    {
        foreach (string path in (string[])[_narPath, _narPath.Replace("tvix-", "snix-")])
        {
            HttpResponseMessage response = await _server.GetAsync(path);
            Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo("application/x-nix-nar"));
            Assert.That(response.Content.Headers.ContentLength, Is.EqualTo(_nar.Length));
            Assert.That(response.Headers.CacheControl!.ToString(), Does.Contain("max-age=31536000").And.Contain("immutable"));
            Assert.That(response.Headers.AcceptRanges, Is.EqualTo((string[])["bytes"]));
            Assert.That(await response.Content.ReadAsByteArrayAsync(), Is.EqualTo(_nar));
            Assert.That((await _server.GetAsync(path, ("If-None-Match", response.Headers.ETag!.ToString()))).StatusCode, Is.EqualTo(HttpStatusCode.NotModified));
        }
    }

    [Test]
    public async Task Nar_ByHash_IsFoundOnceItsNarInfoWasServedOrItsPathIsKnown()
    {
        await using CacheServer server = await CacheServer.StartAsync();
        PathInfo info = await server.AddAsync("one", await server.AddFileAsync("one"u8.ToArray()));
        string path = $"nar/{BinaryCacheFileName.FormatNar(info.NarHash)}";
        Assert.That((await server.GetAsync(path)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await server.GetAsync(path + "?path=" + Dummy)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        await server.GetAsync($"{info.StorePath.Digest}.narinfo");
        Assert.That(await server.Client.GetByteArrayAsync(path), Is.EqualTo(await server.RenderAsync(info.Node)));
        PathInfo two = await server.AddAsync("two", await server.AddFileAsync("two"u8.ToArray()));
        Assert.That((await server.GetAsync($"{path[..4]}{BinaryCacheFileName.FormatNar(two.NarHash)}?path={info.StorePath.Digest}")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await server.GetAsync($"{path}.xz")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [FsCheck.NUnit.Property(MaxTest = 60, Replay = "(4711,17)")]
    public void Range_Any_EqualsTheSlice(int a, int b, byte kind)
    {
        // Lengths near the ends of the NAR and of what is in it are as likely as others.
        long from = Math.Abs((long)a * 7919) % (_nar.Length + 200);
        long to = from + (Math.Abs((long)b * 7907) % (_nar.Length + 200));
        string header = (kind % 3) switch { 0 => $"bytes={from}-{to}", 1 => $"bytes={from}-", _ => $"bytes=-{from}" };
        (long start, long end) = (kind % 3) switch
        {
            0 => (from, Math.Min(to, _nar.Length - 1)),
            1 => (from, _nar.Length - 1),
            _ => (Math.Max(0, _nar.Length - from), _nar.Length - 1),
        };
        using HttpResponseMessage response = _server.GetAsync(_narPath, ("Range", header)).GetAwaiter().GetResult();
        byte[] body = response.Content.ReadAsByteArrayAsync().GetAwaiter().GetResult();
        if (start > end)
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.RequestedRangeNotSatisfiable), header);
            Assert.That(response.Content.Headers.ContentRange!.ToString(), Is.EqualTo($"bytes */{_nar.Length}"));
        }
        else
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.PartialContent), header);
            Assert.That(response.Content.Headers.ContentRange!.ToString(), Is.EqualTo($"bytes {start}-{end}/{_nar.Length}"));
            Assert.That(body.AsSpan().SequenceEqual(_nar.AsSpan((int)start..((int)end + 1))), Is.True, header);
        }
    }

    [TestCase("bytes=5-3")]
    [TestCase("bytes=x")]
    [TestCase("bytes=")]
    [TestCase("lines=1-2")]
    [TestCase("bytes=0-99999999999999999999999999")]
    [TestCase("bytes=--1")]
    public async Task Range_ThatMakesNoSense_GivesTheWhole(string header)
    {
        HttpResponseMessage response = await _server.GetAsync(_narPath, ("Range", header));
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await response.Content.ReadAsByteArrayAsync(), Is.EqualTo(_nar));
    }

    [Test]
    public async Task Range_OnlyIfTheTagIsTheSame()
    {
        string tag = (await _server.HeadAsync(_narPath)).Headers.ETag!.ToString();
        foreach ((string condition, HttpStatusCode status) in new[]
        {
            (tag, HttpStatusCode.PartialContent), ("\"other\"", HttpStatusCode.OK), ("W/" + tag, HttpStatusCode.OK),
            ("Sun, 06 Nov 1994 08:49:37 GMT", HttpStatusCode.OK), ("nonsense", HttpStatusCode.OK),
        })
        {
            Assert.That((await _server.GetAsync(_narPath, ("Range", "bytes=8-15"), ("If-Range", condition))).StatusCode, Is.EqualTo(status), condition);
        }

        Assert.That((await _server.HeadAsync(_narPath, ("Range", "bytes=8-15"))).StatusCode, Is.EqualTo(HttpStatusCode.OK), "ranges are for GET");
    }

    [Test]
    public async Task Range_OfATreeThatTakesTooMuchMemory_GivesTheWhole()
    {
        await using CacheServer server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions { MaxRangeMemory = 100 });
        PathInfo info = await server.AddAsync("tree", await server.AddTreeAsync());
        HttpResponseMessage response = await server.GetAsync(BinaryCacheFileName.FormatCastoreNar(info.Node, info.NarSize), ("Range", "bytes=0-9"));
        Assert.That((response.StatusCode, (await response.Content.ReadAsByteArrayAsync()).Length), Is.EqualTo((HttpStatusCode.OK, (int)info.NarSize)));
    }

    [TestCase(SymlinkNode + "?narsize=136", 200)]
    [TestCase(SymlinkNode + "?narsize=135", 400)]
    [TestCase(SymlinkNode + "?narsize=-1", 400)]
    [TestCase(SymlinkNode + "?narsize=", 400)]
    [TestCase(SymlinkNode + "?narsize=18446744073709551616", 400)]
    [TestCase(SymlinkNode + "?narsize=18446744073709551615", 400)]
    [TestCase(SymlinkNode, 400)]
    [TestCase(SymlinkNode + "==?narsize=136", 404)]
    [TestCase("%20?narsize=1", 404)]
    [TestCase("%FF?narsize=1", 404)]
    [TestCase("%2e%2e%2fpasswd?narsize=1", 404)]
    [TestCase("AAAA?narsize=1", 404)]
    [TestCase("CiQSID-VGhWv1Yb7MSHvTRPVgugRzg5afyHASX_YdJDp4jVaGAQ?narsize=840", 404)] // a folder that is not there
    [TestCase("EiQSIFyngVrctITpoTbBHv5pwdUwF21Um10Y0DjrUoC0s0cMGAw?narsize=128", 404)] // a file that is not there
    [TestCase("GgYKAWESAWI?narsize=112", 400)] // a link with a name
    public async Task Nar_ByNode_ChecksTheUrl(string rest, int status)
    {
        Assert.That((int)(await _server.GetAsync("nar/tvix-castore/" + rest)).StatusCode, Is.EqualTo(status));
        Assert.That((int)(await _server.HeadAsync("nar/tvix-castore/" + rest)).StatusCode, Is.EqualTo(status));
    }

    [Test]
    public async Task Nar_ByTooLongANode_IsRefused()
    {
        HttpResponseMessage response = await _server.GetAsync($"nar/tvix-castore/{new string('A', 5600)}?narsize=1");
        Assert.That((int)response.StatusCode, Is.EqualTo(400));
        Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo("The node is longer than 4096 bytes.\n"));
    }

    [TestCase("0000000000000000000000000000000.narinfo")]
    [TestCase("000000000000000000000000000000000.narinfo")]
    [TestCase("0000000000000000000000000000000e.narinfo")]
    [TestCase(Dummy + ".narinfo")]
    [TestCase(Dummy + ".ls")]
    [TestCase("é.narinfo")]
    [TestCase("%2e%2e%2f%2e%2e%2fetc%2fpasswd.narinfo")]
    [TestCase(".narinfo")]
    [TestCase("x.ls")]
    [TestCase("nar/x")]
    [TestCase("nar/..%2fx.nar")]
    [TestCase("nar/" + Dummy + Dummy + ".nar")]
    [TestCase("log/" + Dummy + "-x.drv")]
    [TestCase("realisations/sha256:0000!out.doi")]
    [TestCase("build-trace-v2/" + Dummy + "-x.drv/out.doi")]
    [TestCase("debuginfo/0123.debug")]
    [TestCase("unknown")]
    public async Task Get_OfWhatIsNotThere_IsNotFound(string path)
    {
        Assert.That((await _server.GetAsync(path)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await _server.HeadAsync(path)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [Test]
    public async Task OtherMethods_AreNotAllowed()
    {
        foreach (string path in (string[])["nix-cache-info", NarInfoPath, _narPath])
        {
            Assert.That((await _server.SendAsync(HttpMethod.Delete, path, null)).StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed), path);
            Assert.That((await _server.SendAsync(HttpMethod.Post, path, new byte[1])).StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed), path);
        }
    }

    private string NarInfoPath => $"{_tree.StorePath.Digest}.narinfo";

    private string ListingPath => $"{_tree.StorePath.Digest}.ls";

    private static async Task<PathInfo> PutDummyAsync(CacheServer server) => await server.Store.PathInfos.PutAsync(new PathInfo
    {
        StorePath = StorePath.ParseBaseName($"{Dummy}-dummy"),
        Node = new Node.Symlink(new SymlinkTarget("/nix/store/somewhereelse")),
        NarSize = 136,
        NarHash = Sha256Digest.ParseHex("097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1"),
    });
}
