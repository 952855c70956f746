using System.Net;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

[TestFixture]
public sealed class UploadTests
{
    // The NAR of a file with "Hello World!", as the tools of their formats compress it.
    private const string HelloXz =
        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AB/AEldAAaANh/vps6/droaek8r6qRTJO2hIwRx/1u/l2m68ym+JEmkcF2PMAtHKBMzvRezszyuOIJgM8V+FxJOLzLgNePmhYmOwuvvM64AAAAAzWNeCky5SLYAAWWAAQAA"
        + "AMOdNpKxxGf7AgAAAAAEWVo=";

    private const string HelloBzip2 =
        "QlpoOTFBWSZTWVYCeNcAACDfgGzGYGIgAABAAIAu5d9gIABURTT0T0mENDBGTEGkyQPKAaAZDRZA2toCqzNXe4iAEXEQucJHHYxhOCQiivTub9/V9ra5IUvgRTXFgImLAb4A/4u5IpwoSCsBPGuA";

    private CacheServer _server = null!;
    private CacheServer _source = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _server = await CacheServer.StartAsync();
        _source = await CacheServer.StartAsync();
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        await _source.DisposeAsync();
        Assert.That(_server.Log.Where(line => line.StartsWith("Error", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal)), Is.Empty);
    }

    [TestCase(NarCompression.None, "")]
    [TestCase(NarCompression.Gzip, "")]
    [TestCase(NarCompression.Gzip, ".gz")]
    [TestCase(NarCompression.Zstd, ".zst")]
    [TestCase(NarCompression.Zstd, "")]
    [TestCase(NarCompression.Brotli, ".br")]
    public async Task Put_OfAClosure_IsServedAsItWas(string compression, string suffix)
    {
        PathInfo dependency = await _source.AddAsync("dependency", await _source.AddFileAsync("dependency\n"u8.ToArray(), executable: true));
        PathInfo tree = await _source.AddAsync("tree", await _source.AddTreeAsync(), dependency.StorePath);
        foreach (PathInfo info in (PathInfo[])[dependency, tree])
        {
            byte[] nar = await _source.RenderAsync(info.Node);
            byte[] file = Compressed.Of(nar, compression);
            string narPath = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(file), suffix)}";
            string narInfoPath = $"{info.StorePath.Digest}.narinfo";
            Assert.That((await _server.HeadAsync(narPath)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
            Assert.That(await PutAsync(narPath, file), Is.EqualTo(""));
            HttpResponseMessage head = await _server.HeadAsync(narPath);
            Assert.That((head.StatusCode, head.Content.Headers.ContentLength), Is.EqualTo((HttpStatusCode.OK, (long?)file.Length)));
            Assert.That((await _server.GetAsync(narInfoPath)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound), "before the narinfo");
            Assert.That(await PutAsync($"{info.StorePath.Digest}.ls", "anything"u8.ToArray()), Is.EqualTo(""));
            Assert.That(await PutAsync(narInfoPath, NarInfoOf(info, narPath, compression, file).ToUtf8()), Is.EqualTo(""));

            NarInfo served = NarInfo.Parse(await _server.Client.GetByteArrayAsync(narInfoPath));
            Assert.That(PathInfo.FromNarInfo(served, info.Node), Is.EqualTo(info));
            Assert.That(await _server.Client.GetByteArrayAsync(served.Url), Is.EqualTo(nar));
            Assert.That(await _server.Client.GetByteArrayAsync($"nar/{BinaryCacheFileName.FormatNar(info.NarHash)}"), Is.EqualTo(nar));
            using MemoryStream again = new(await _server.Client.GetByteArrayAsync(narPath));
            await using Stream uncompressed = NarCompression.OpenRead(again, compression);
            MemoryStream sameNar = new();
            await uncompressed.CopyToAsync(sameNar);
            Assert.That(sameNar.ToArray(), Is.EqualTo(nar), "by the name of the file, which its client remembers");
        }
    }

    [TestCase(NarCompression.Xz, ".xz", HelloXz)]
    [TestCase(NarCompression.Xz, "", HelloXz)]
    [TestCase(NarCompression.Bzip2, ".bz2", HelloBzip2)]
    public async Task Put_OfTheVector_IsServedAsItWas(string compression, string suffix, string base64)
    {
        byte[] file = Convert.FromBase64String(base64);
        PathInfo hello = await _source.AddAsync("hello", await _source.AddFileAsync("Hello World!"u8.ToArray()));
        Assert.That(hello.StorePath.ToString(), Is.EqualTo("n4hss129xrln71w0nss39bcx6hzsh9bg-hello"));
        string narPath = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(file), suffix)}";
        Assert.That(await PutAsync(narPath, file), Is.EqualTo(""));
        Assert.That(await PutAsync($"{hello.StorePath.Digest}.narinfo", NarInfoOf(hello, narPath, compression, file).ToUtf8()), Is.EqualTo(""));
        Assert.That(await _server.Client.GetByteArrayAsync(BinaryCacheFileName.FormatCastoreNar(hello.Node, hello.NarSize)), Is.EqualTo(await _source.RenderAsync(hello.Node)));
    }

    [Test]
    public async Task Put_AfterTheServerWasStartedAnew_IsCompleted([Values] bool withFolder, [Values(NarCompression.None, NarCompression.Zstd)] string compression)
    {
        using TempFolder folder = new();
        string? uploads = withFolder ? folder["a/uploads"] : null;
        PathInfo tree = await _source.AddAsync("tree", await _source.AddTreeAsync());
        byte[] file = Compressed.Of(await _source.RenderAsync(tree.Node), compression);
        string narPath = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(file))}";
        await using (CacheServer first = await CacheServer.StartAsync(_server.Store, new NixBinaryCacheOptions { UploadFolder = uploads }))
        {
            Assert.That((await first.PutAsync(narPath, file)).StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        }

        await using CacheServer second = await CacheServer.StartAsync(_server.Store, new NixBinaryCacheOptions { UploadFolder = uploads });
        Assert.That((await second.HeadAsync(narPath)).StatusCode, Is.EqualTo(withFolder ? HttpStatusCode.OK : HttpStatusCode.NotFound));
        HttpResponseMessage response = await second.PutAsync($"{tree.StorePath.Digest}.narinfo", NarInfoOf(tree, narPath, compression, file).ToUtf8());
        Assert.That(response.StatusCode, Is.EqualTo(withFolder ? HttpStatusCode.NoContent : HttpStatusCode.BadRequest));
        Assert.That(await _server.Store.PathInfos.GetAsync(tree.StorePath.Digest), withFolder ? Is.EqualTo(tree) : Is.Null);
    }

    [Test]
    public async Task Put_OfASignature_IsAddedToThoseThatAreThere()
    {
        PathInfo info = await UploadAsync(_server);
        SigningKey key = SigningKey.Generate("key");
        string path = $"{info.StorePath.Digest}.narinfo";
        foreach (NarSignature signature in (NarSignature[])[key.Sign(info.GetFingerprint()), SigningKey.Generate("other").Sign(info.GetFingerprint()), key.Sign(info.GetFingerprint())])
        {
            // As Nix does: what is served, with one more line.
            NarInfo served = NarInfo.Parse(await _server.Client.GetByteArrayAsync(path));
            string text = served.ToText().Replace("CA: ", $"Sig: {signature}\nCA: ", StringComparison.Ordinal);
            Assert.That(await PutAsync(path, Encoding.UTF8.GetBytes(text)), Is.EqualTo(""));
        }

        PathInfo stored = (await _server.Store.PathInfos.GetAsync(info.StorePath.Digest))!;
        Assert.That(stored.Signatures.Select(signature => signature.Name), Is.EqualTo((string[])["key", "other"]));
        Assert.That(stored with { Signatures = [] }, Is.EqualTo(info));
    }

    [Test]
    public async Task Put_OfTooManySignatures_IsRefused()
    {
        PathInfo info = await UploadAsync(_server);
        PathInfo crowded = info with { Signatures = [.. Enumerable.Range(0, 65).Select(i => new NarSignature($"key{i}", new byte[64]))] };
        string path = $"{info.StorePath.Digest}.narinfo";
        Assert.That(await PutAsync(path, crowded.ToNarInfo("nar/x").ToUtf8()), Is.EqualTo("400 A store path may have 64 signatures.\n"));
        Assert.That(await PutAsync(path, (crowded with { Signatures = [.. crowded.Signatures.Take(64)] }).ToNarInfo("nar/x").ToUtf8()), Is.EqualTo(""));
    }

    [Test]
    public async Task Put_WithTrustedKeys_NeedsASignatureOrAContentAddress()
    {
        SigningKey trusted = SigningKey.Generate("trusted");
        await using CacheServer server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions { TrustedKeys = new TrustedKeys([trusted.PublicKey]) });
        await UploadAsync(server); // addressed by its contents
        PathInfo info = await BuiltAsync();
        string path = $"{info.StorePath.Digest}.narinfo";
        byte[] nar = await _source.RenderAsync(info.Node);
        string narPath = $"nar/{BinaryCacheFileName.FormatNar(info.NarHash)}";
        await server.PutAsync(narPath, nar);
        Assert.That((await server.PutAsync(path, NarInfoOf(info, narPath, "none", nar).ToUtf8())).StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        PathInfo other = info.WithSignature(SigningKey.Generate("trusted").Sign(info.GetFingerprint()));
        Assert.That((await server.PutAsync(path, NarInfoOf(other, narPath, "none", nar).ToUtf8())).StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await server.Store.PathInfos.GetAsync(info.StorePath.Digest), Is.Null);
        PathInfo signed = info.WithSignature(trusted.Sign(info.GetFingerprint()));
        Assert.That((await server.PutAsync(path, NarInfoOf(signed, narPath, "none", nar).ToUtf8())).StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
    }

    [Test]
    public async Task PutNarInfo_ThatDoesNotFit_IsRefusedAndNothingIsStored()
    {
        PathInfo info = await BuiltAsync();
        byte[] nar = await _source.RenderAsync(info.Node);
        byte[] file = Compressed.Of(nar, NarCompression.Gzip);
        string narPath = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(file))}";
        string text = NarInfoOf(info, narPath, "gzip", file).ToText();
        string path = $"{info.StorePath.Digest}.narinfo";
        await RefuseAsync(path, text, HttpStatusCode.BadRequest, "was not uploaded");
        Assert.That(await PutAsync(narPath, file), Is.EqualTo(""));

        string zeros = new('0', 52);
        string missing = "00000000000000000000000000000000-missing";
        await RefuseAsync(path, "", HttpStatusCode.BadRequest, "");
        await RefuseAsync(path, "nonsense", HttpStatusCode.BadRequest, "");
        await RefuseAsync(path, "\xff\xfe", HttpStatusCode.BadRequest, "");
        await RefuseAsync(path, text + "\n", HttpStatusCode.BadRequest, "");
        await RefuseAsync(path, text + text, HttpStatusCode.BadRequest, "");
        await RefuseAsync("00000000000000000000000000000000.narinfo", text, HttpStatusCode.BadRequest, "not of what the URL says");
        await RefuseAsync("x.narinfo", text, HttpStatusCode.BadRequest, "hash part");
        await RefuseAsync("..%2f..%2fx.narinfo", text, HttpStatusCode.BadRequest, "hash part");
        await RefuseAsync(path, text.Replace("/nix/store", "/gnu/store"), HttpStatusCode.BadRequest, "");
        await RefuseAsync(path, text.Replace(info.NarHash.ToString(), "sha256:" + zeros), HttpStatusCode.BadRequest, "The NAR that was uploaded has");
        await RefuseAsync(path, text.Replace($"NarSize: {info.NarSize}", "NarSize: 8"), HttpStatusCode.BadRequest, "The NAR that was uploaded has");
        await RefuseAsync(path, text.Replace("FileHash: sha256:" + narPath[4..56], "FileHash: sha256:" + zeros), HttpStatusCode.BadRequest, "The file that was uploaded has");
        await RefuseAsync(path, text.Replace($"FileSize: {file.Length}", "FileSize: 8"), HttpStatusCode.BadRequest, "The file that was uploaded has");
        await RefuseAsync(path, text.Replace("Compression: gzip", "Compression: xz"), HttpStatusCode.BadRequest, "compression");
        await RefuseAsync(path, text.Replace("References: ", "References: " + missing), HttpStatusCode.BadRequest, "refers to " + missing);
        await RefuseAsync(path, text + $"CA: fixed:r:sha256:{zeros}\n", HttpStatusCode.BadRequest, "content address");
        await RefuseAsync(path, text + new string('x', 1 << 20), HttpStatusCode.RequestEntityTooLarge, "1048576");

        Assert.That(await PutAsync(path, Encoding.UTF8.GetBytes(text)), Is.EqualTo(""));
        PathInfo stored = (await _server.Store.PathInfos.GetAsync(info.StorePath.Digest))!;
        Assert.That(stored, Is.EqualTo(info));

        // What is there cannot become something else.
        Node otherNode = await _source.AddFileAsync("other"u8.ToArray());
        byte[] other = await _source.RenderAsync(otherNode);
        string otherPath = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(other))}";
        Assert.That(await PutAsync(otherPath, other), Is.EqualTo(""));
        PathInfo changed = info with { Node = otherNode, NarHash = Sha256Digest.Compute(other), NarSize = (ulong)other.Length };
        HttpResponseMessage response = await _server.PutAsync(path, NarInfoOf(changed, otherPath, "none", other).ToUtf8());
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(await _server.Store.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));

        async Task RefuseAsync(string refused, string body, HttpStatusCode status, string reason)
        {
            HttpResponseMessage answer = await _server.PutAsync(refused, Encoding.Latin1.GetBytes(body));
            string line = await answer.Content.ReadAsStringAsync();
            Assert.That((answer.StatusCode, line.Count(c => c == '\n')), Is.EqualTo((status, 1)), line);
            Assert.That(line, Does.Contain(reason));
            Assert.That(await _server.Store.PathInfos.GetAsync(info.StorePath.Digest), Is.Null);
        }
    }

    [Test]
    public async Task PutNarInfo_WithContentAddresses_HasThemVerified()
    {
        byte[] text = "some text\n"u8.ToArray();
        Node node = await _source.AddFileAsync(text);
        byte[] nar = await _source.RenderAsync(node);
        string narPath = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(nar))}";
        Assert.That(await PutAsync(narPath, nar), Is.EqualTo(""));
        foreach ((ContentAddress right, ContentAddress wrong) in new[]
        {
            (ContentAddress.Text(Sha256Digest.Compute(text)), ContentAddress.Text(Sha256Digest.Compute(nar))),
            (ContentAddress.Flat(Sha256Digest.Compute(text).ToNixHash()), ContentAddress.Flat(Sha256Digest.Compute(nar).ToNixHash())),
            (ContentAddress.Nar(Sha256Digest.Compute(nar)), ContentAddress.Nar(Sha256Digest.Compute(text))),
            (ContentAddress.Nar(Sha1(nar)), ContentAddress.Nar(Sha1(text))),
        })
        {
            Assert.That(await PutInfoAsync(Make(wrong)), Is.Not.EqualTo(""), wrong.ToString());
            Assert.That(await PutInfoAsync(Make(right)), Is.EqualTo(""), right.ToString());
        }

        PathInfo Make(ContentAddress address) => new()
        {
            StorePath = StorePathBuilder.FromContentAddress("text", address),
            Node = node,
            NarHash = Sha256Digest.Compute(nar),
            NarSize = (ulong)nar.Length,
            ContentAddress = address,
        };

        Task<string> PutInfoAsync(PathInfo info) => PutAsync($"{info.StorePath.Digest}.narinfo", NarInfoOf(info, narPath, "none", nar).ToUtf8());

        static NixHash Sha1(byte[] bytes) => new(NixHashAlgorithm.Sha1, System.Security.Cryptography.SHA1.HashData(bytes));
    }

    [TestCase(NarCompression.Gzip)]
    [TestCase(NarCompression.Brotli)]
    [TestCase(NarCompression.Zstd)]
    [TestCase("identity")]
    [TestCase("rot13")]
    public async Task PutNarInfo_WithAContentEncoding_IsDecoded(string encoding)
    {
        PathInfo info = await BuiltAsync();
        byte[] nar = await _source.RenderAsync(info.Node);
        string narPath = $"nar/{BinaryCacheFileName.FormatNar(info.NarHash)}";
        Assert.That(await PutAsync(narPath, nar), Is.EqualTo(""));
        string path = $"{info.StorePath.Digest}.narinfo";
        byte[] body = Compressed.Of(NarInfoOf(info, narPath, "none", nar).ToUtf8(), encoding);
        HttpResponseMessage response = await _server.PutAsync(path, body, ("Content-Encoding", encoding));
        Assert.That((int)response.StatusCode, Is.EqualTo(encoding == "rot13" ? 415 : 204));
        byte[] bomb = Compressed.Of(new byte[5 << 20], encoding);
        Assert.That((int)(await _server.PutAsync(path, bomb, ("Content-Encoding", encoding))).StatusCode, Is.EqualTo(encoding == "rot13" ? 415 : 413));
        Assert.That((int)(await _server.PutAsync(narPath, nar, ("Content-Encoding", encoding))).StatusCode, Is.EqualTo(415));
    }

    [Test]
    public async Task PutNar_ThatIsBad_IsRefusedAndForgotten()
    {
        byte[] nar = await _source.RenderAsync(await _source.AddTreeAsync());
        string zeros = new('0', 52);
        await RefuseAsync($"nar/{zeros}.nar", nar, 400);
        await RefuseAsync($"nar/{zeros}.nar.zst", Compressed.Of(nar, NarCompression.Zstd), 400);
        await RefuseAsync($"nar/{zeros}.nar.lzip", nar, 415);
        await RefuseAsync($"nar/{zeros}.nar.xz.exe", nar, 415);
        await RefuseAsync($"nar/{zeros}", nar, 400);
        await RefuseAsync($"nar/{zeros[1..]}.nar", nar, 400);
        await RefuseAsync($"nar/{zeros[1..]}e.nar", nar, 400);
        await RefuseAsync("nar/..%2f..%2fetc%2fpasswd", nar, 400);
        await RefuseAsync("nar/tvix-castore/x", nar, 405);
        foreach (byte[] body in (byte[][])[[], "no nar at all"u8.ToArray(), nar[..^1], [.. nar, 0], new byte[1000]])
        {
            await RefuseAsync($"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(body))}", body, 400);
            foreach ((string compression, string suffix) in new[] { (NarCompression.Gzip, ".gz"), (NarCompression.Zstd, ".zst"), (NarCompression.Brotli, ".br") })
            {
                byte[] file = Compressed.Of(body, compression);
                await RefuseAsync($"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(file), suffix)}", file, 400);
            }
        }

        foreach (string suffix in (string[])[".gz", ".zst", ".br", ".xz", ".bz2"])
        {
            await RefuseAsync($"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(nar), suffix)}", nar, 400);
        }

        async Task RefuseAsync(string path, byte[] body, int status)
        {
            HttpResponseMessage response = await _server.PutAsync(path, body);
            Assert.That((int)response.StatusCode, Is.EqualTo(status), $"{path} {await response.Content.ReadAsStringAsync()}");
            Assert.That((await _server.HeadAsync(path)).IsSuccessStatusCode, Is.False, path);
        }
    }

    [TestCase(NarCompression.None)]
    [TestCase(NarCompression.Zstd)]
    public async Task PutNar_ThatIsTooLong_IsRefused(string compression)
    {
        await using CacheServer server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions { MaxNarSize = 10_000 });
        byte[] nar = await _source.RenderAsync(await _source.AddFileAsync(new byte[10_000]));
        byte[] file = Compressed.Of(nar, compression);
        string path = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(file))}";
        Assert.That((int)(await server.PutAsync(path, file)).StatusCode, Is.EqualTo(413));

        // Without a length that says so.
        using HttpRequestMessage request = new(HttpMethod.Put, path) { Content = new StreamContent(new UnknownLength(file)) };
        request.Headers.TransferEncodingChunked = true;
        Assert.That((int)(await server.Client.SendAsync(request)).StatusCode, Is.EqualTo(413));
    }

    [Test]
    public async Task PutNar_LongerThanWhatServersTakeByDefault_IsTaken()
    {
        byte[] contents = new byte[40 << 20];
        new Random(5).NextBytes(contents);
        byte[] nar = await _source.RenderAsync(await _source.AddFileAsync(contents));
        Assert.That(await PutAsync($"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(nar))}", nar), Is.EqualTo(""));
    }

    [Test]
    public async Task PutNar_OfWhichTheClientGoesAway_IsForgotten()
    {
        byte[] nar = await _source.RenderAsync(await _source.AddTreeAsync());
        string path = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(nar))}";
        using (System.Net.Sockets.TcpClient client = new("127.0.0.1", _server.Port))
        {
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"PUT /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {nar.Length}\r\n\r\n"));
            await client.GetStream().WriteAsync(nar.AsMemory(0, nar.Length / 2));
        }

        while (!_server.Log.Any(line => line.Contains("PUT /nar/", StringComparison.Ordinal) && line.Contains(" in ", StringComparison.Ordinal)))
        {
            await Task.Yield();
        }

        Assert.That((await _server.HeadAsync(path)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [Test]
    public async Task Put_OfManyAtTheSameTime_KeepsAll()
    {
        PathInfo[] infos = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => Task.Run(async () =>
        {
            byte[] contents = Encoding.UTF8.GetBytes($"{i}");
            PathInfo info = await _source.AddAsync("x", await _source.AddFileAsync(contents));
            byte[] nar = await _source.RenderAsync(info.Node);
            string path = $"nar/{BinaryCacheFileName.FormatNar(info.NarHash)}";
            Assert.That(await PutAsync(path, nar), Is.EqualTo(""));
            Assert.That(await PutAsync($"{info.StorePath.Digest}.narinfo", NarInfoOf(info, path, "none", nar).ToUtf8()), Is.EqualTo(""));
            return info;
        })));
        foreach (PathInfo info in infos)
        {
            Assert.That(await _server.Store.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
        }
    }

    private async Task<string> PutAsync(string path, byte[] body)
    {
        HttpResponseMessage response = await _server.PutAsync(path, body);
        return response.StatusCode == HttpStatusCode.NoContent ? "" : $"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}";
    }

    private async Task<PathInfo> UploadAsync(CacheServer server)
    {
        PathInfo info = await _source.AddAsync("tree", await _source.AddTreeAsync());
        byte[] nar = await _source.RenderAsync(info.Node);
        string path = $"nar/{BinaryCacheFileName.FormatNar(info.NarHash)}";
        Assert.That((await server.PutAsync(path, nar)).StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        Assert.That((await server.PutAsync($"{info.StorePath.Digest}.narinfo", NarInfoOf(info, path, "none", nar).ToUtf8())).StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        return info;
    }

    /// <summary>Something that was built: its path says nothing about the contents.</summary>
    private async Task<PathInfo> BuiltAsync() => await _source.AddAsync("built", await _source.AddTreeAsync()) with
    {
        StorePath = StorePath.ParseBaseName("1b9p07z77phvv2hf6gm9f28syp39f1ag-built"),
        ContentAddress = null,
        Deriver = StorePath.ParseBaseName("2b9p07z77phvv2hf6gm9f28syp39f1ag-built"),
    };

    private static NarInfo NarInfoOf(PathInfo info, string url, string compression, byte[] file) => new()
    {
        StorePath = info.StorePath,
        Url = url,
        Compression = compression,
        FileHash = Sha256Digest.Compute(file),
        FileSize = (ulong)file.Length,
        NarHash = info.NarHash,
        NarSize = info.NarSize,
        References = info.References,
        Deriver = info.Deriver,
        Signatures = info.Signatures,
        ContentAddress = info.ContentAddress,
    };

    private sealed class UnknownLength(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
