using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Http.Pages;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Tests;

/// <summary>The pages for people.</summary>
[TestFixture]
public sealed class PageTests
{
    private CacheServer _server = null!;

    [SetUp]
    public async Task StartAsync() => _server = await CacheServer.StartAsync();

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        Assert.That(_server.Log.Where(line => line.StartsWith("Error", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal)), Is.Empty);
    }

    private static string Base32(int number) => new StorePathDigest([.. new byte[16], .. BitConverter.GetBytes(number)]).ToString();

    /// <summary>Addresses of all that a page links to.</summary>
    private static string[] Links(string page) =>
        [.. page.Split("href=\"").Skip(1).Select(part => WebUtility.HtmlDecode(part[..part.IndexOf('"')]))];

    private async Task<PathInfo[]> FillAsync(int count)
    {
        Node node = await _server.AddFileAsync("x"u8.ToArray());
        PathInfo[] infos = [.. Enumerable.Range(0, count).Select(i => new PathInfo
        {
            StorePath = StorePath.ParseBaseName($"{Base32(i * 7919 % 10_007)}-name-{i % 50:d2}"),
            Node = node,
            NarSize = 120,
            NarHash = Sha256Digest.Compute([]),
        })];
        foreach (PathInfo info in infos)
        {
            await _server.Store.PathInfos.PutAsync(info);
        }

        return infos;
    }

    [Test]
    public async Task List_OfManyPaths_HasEachOnceInOrderBothWays()
    {
        PathInfo[] infos = await FillAsync(1034);
        string[] expected = [.. infos.Select(info => info.StorePath).Order(Comparer<StorePath>.Create(StorePathRow.Compare)).Select(path => path.ToString())];
        foreach ((string start, string label, int step) in ((string, string, int)[])[("/", "Next", 1), ("/?before=zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-zzz", "Previous", -1)])
        {
            List<string[]> pages = [];
            for (string? where = start; where is not null;)
            {
                string page = await _server.Client.GetStringAsync(where);
                Assert.That(page, Does.Contain("1\u00a0034 store paths"));
                pages.Add([.. Links(page).Where(link => link.StartsWith("./path/", StringComparison.Ordinal)).Select(link => link[7..])]);
                int label0 = page.IndexOf($">{label}</a>", StringComparison.Ordinal);
                where = label0 < 0 ? null : WebUtility.HtmlDecode(page[(page.LastIndexOf("href=\"", label0, StringComparison.Ordinal) + 7)..(label0 - 1)]);
            }

            Assert.That(pages.Select(page => page.Length), Is.EqualTo(Enumerable.Repeat(100, 10).Append(34)));
            Assert.That((step > 0 ? pages : Enumerable.Reverse(pages)).SelectMany(page => page), Is.EqualTo(expected));
        }
    }

    [Test]
    public async Task List_WithWords_HasThoseThatHaveThemAll()
    {
        await FillAsync(200);
        string page = await _server.Client.GetStringAsync("/?q=NAME++-07");
        Assert.That(Links(page).Count(link => link.Contains("name-07", StringComparison.Ordinal)), Is.EqualTo(4));
        Assert.That(page, Does.Contain("4 store paths found"));
        Assert.That(await _server.Client.GetStringAsync("/?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%26"), Does.Contain("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;").And.Not.Contain("<script"));
        Assert.That(await _server.Client.GetStringAsync("/?q=" + new string('x', 2000)), Does.Contain("No store path has that"));
    }

    [Test]
    public async Task List_OfAStoreThatCannotList_SaysSo()
    {
        PathInfo info = await _server.AddAsync("file", await _server.AddFileAsync("x"u8.ToArray()));
        await using CacheServer server = await CacheServer.StartAsync(
            new TvixStore(_server.Store.Blobs, _server.Store.Directories, new ScriptedPathInfos(_server.Store.PathInfos, () => throw new NotSupportedException())));
        Assert.That(await server.Client.GetStringAsync("/"), Does.Contain("cannot list"));
        Assert.That(await server.Client.GetStringAsync($"/?q={info.StorePath.Digest}"), Does.Contain("<h1>file</h1>"), "the hash leads there all the same");
    }

    [Test]
    public async Task Pages_OfACacheInFrontOfAnother_FetchNothing()
    {
        PathInfo here = await _server.AddAsync("here", await _server.AddFileAsync("x"u8.ToArray()));
        await using CacheServer server = await CacheServer.StartAsync(
            new TvixStore(_server.Store.Blobs, _server.Store.Directories, new CachingPathInfoService(_server.Store.PathInfos, new FarPathInfos())));
        Assert.That(await server.Client.GetStringAsync("/"), Does.Contain("1 store path,").And.Contain(here.StorePath.ToString()));
        Assert.That(await server.Client.GetStringAsync("/?q=" + Base32(1)), Does.Contain("No store path has that"));
        Assert.That((await server.GetAsync($"path/{Base32(1)}-far")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That(await server.Client.GetStringAsync($"path/{here.StorePath}"), Does.Contain("<h1>here</h1>"));
        await using CacheServer far = await CacheServer.StartAsync(new TvixStore(_server.Store.Blobs, _server.Store.Directories, new FarPathInfos()));
        Assert.That(await far.Client.GetStringAsync("/"), Does.Contain("cannot list"));
    }

    [Test]
    public async Task List_OfALongListing_IsCutOff()
    {
        int given = 0;
        PathInfo[] infos = await FillAsync(3);
        async IAsyncEnumerable<PathInfo> Endless([EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            await Task.CompletedTask;
            while (!cancellationToken.IsCancellationRequested)
            {
                yield return infos[given++ % 3];
            }
        }

        await using CacheServer server = await CacheServer.StartAsync(
            new TvixStore(_server.Store.Blobs, _server.Store.Directories, new ScriptedPathInfos(_server.Store.PathInfos, () => Endless())), new NixBinaryCacheOptions { MaxListedPaths = 5000 });
        Assert.That(await server.Client.GetStringAsync("/"), Does.Contain("more than the 5\u00a0000 store paths"));
        Assert.That(given, Is.EqualTo(5001));
    }

    [Test]
    public async Task List_OfASlowListing_IsCutOff()
    {
        PathInfo[] infos = await FillAsync(1);
        SteppingTime time = new();
        async IAsyncEnumerable<PathInfo> Slow()
        {
            await Task.CompletedTask;
            while (true)
            {
                time.Advance();
                yield return infos[0];
            }
        }

        await using CacheServer server = await CacheServer.StartAsync(
            new TvixStore(_server.Store.Blobs, _server.Store.Directories, new ScriptedPathInfos(_server.Store.PathInfos, Slow)), new NixBinaryCacheOptions { TimeProvider = time });
        Assert.That(await server.Client.GetStringAsync("/"), Does.Contain("more than the 10 store paths"));
    }

    [Test]
    public async Task StorePath_HasAllThatIsKnown()
    {
        SigningKey key = SigningKey.Generate("builder-1");
        PathInfo dependency = await _server.AddAsync("dependency", await _server.AddFileAsync("text\n"u8.ToArray(), executable: true));
        PathInfo tree = await _server.AddAsync("tree", await _server.AddTreeAsync(), dependency.StorePath);
        tree = await _server.Store.PathInfos.PutAsync((tree with { Deriver = StorePath.ParseBaseName(Base32(7) + "-maker") }).WithSignature(key.Sign(tree.GetFingerprint())));
        string page = await _server.Client.GetStringAsync($"path/{tree.StorePath}");
        foreach (string text in (string[])
            [$"/nix/store/{tree.StorePath}", tree.NarHash.ToString(), WebUtility.HtmlEncode(tree.Signatures[0].ToString()), tree.ContentAddress!.ToString()!, "-maker.drv", "1 reference", "5 entries", "293 KiB"])
        {
            Assert.That(page, Does.Contain(text));
        }

        foreach (string link in Links(page).Where(link => link.StartsWith("../", StringComparison.Ordinal)))
        {
            HttpResponseMessage response = await _server.GetAsync($"path/{link}");
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), link);
        }

        Assert.That((await _server.GetAsync($"path/{tree.StorePath.Digest}/bin")).RequestMessage!.RequestUri!.AbsolutePath, Is.EqualTo($"/path/{tree.StorePath}/bin"), "only the hash counts");
        Assert.That(await _server.Client.GetStringAsync($"path/{tree.StorePath}/bin/"), Does.Contain($"href=\"../../../path/{tree.StorePath}/bin/run\""), "with a slash at the end");
        Assert.That(await _server.Client.GetStringAsync($"path/{tree.StorePath}/bin/link"), Does.Contain($"href=\"../../../path/{tree.StorePath}/large\"").And.Contain("Go to the target"));
    }

    [Test]
    public async Task Directory_WithManyEntries_IsInPages()
    {
        Node.File file = (Node.File)await _server.AddFileAsync([]);
        CastoreDirectory many = CastoreDirectory.FromEntries(Enumerable.Range(0, 100_000).Select(i => new DirectoryEntry(new PathComponent($"entry-{i:d6}"), file)));
        await _server.Store.Directories.PutAsync(many);
        PathInfo info = await _server.AddAsync("many", many.ToNode());
        int entries = 0;
        foreach (int number in (int[])[1, 2, 200])
        {
            string page = await _server.Client.GetStringAsync($"path/{info.StorePath}?page={number}");
            Assert.That(page, Does.Contain($"entry-{(number - 1) * 500:d6}<").And.Contain($"entry-{(number * 500) - 1:d6}<").And.Contain($"Page {number} of 200"));
            entries += page.Split("entry-").Length / 2;
        }

        Assert.That(entries, Is.EqualTo(1500));
        foreach (string number in (string[])["0", "-1", "x", "99999999999999", ""])
        {
            Assert.That(await _server.Client.GetStringAsync($"path/{info.StorePath}?page={number}"), Does.Contain("Page 1 of 200"), number);
        }

        Assert.That(await _server.Client.GetStringAsync($"path/{info.StorePath}?page=2000"), Does.Contain("Page 200 of 200"));
    }

    public static IEnumerable<byte[]> Names() =>
    [
        "<script>alert(1)<"u8.ToArray(), "\"onload='x'"u8.ToArray(), "&amp;"u8.ToArray(), [0xff, 0xfe], "%ff"u8.ToArray(), "%FF"u8.ToArray(), [0xff], "%2e%2e"u8.ToArray(), "..."u8.ToArray(), "a\r\nb"u8.ToArray(),
        "?q=1#x"u8.ToArray(), "a\\b"u8.ToArray(), " "u8.ToArray(), "javascript:x"u8.ToArray(), "\u202e\u2028"u8.ToArray(), "é😀"u8.ToArray(), [0xed, 0xa0, 0x80], [0xc0, 0xaf], "%2F"u8.ToArray(), "+"u8.ToArray(), ";a"u8.ToArray(),
        [.. Enumerable.Repeat((byte)0xfe, 255)], [1], [0x7f],
    ];

    [Test]
    public async Task Names_OfAnyBytes_LeadToTheirFilesAndAreNeverMarkup()
    {
        List<DirectoryEntry> entries = [];
        foreach (byte[] name in Names())
        {
            entries.Add(new DirectoryEntry(new PathComponent(name), await _server.AddFileAsync(name)));
        }

        CastoreDirectory files = CastoreDirectory.FromEntries(entries);
        await _server.Store.Directories.PutAsync(files);
        CastoreDirectory root = CastoreDirectory.FromEntries(Names().Select(name => new DirectoryEntry(new PathComponent(name), files.ToNode())));
        await _server.Store.Directories.PutAsync(root);
        PathInfo info = await _server.AddAsync("names", root.ToNode());

        string top = await _server.Client.GetStringAsync($"path/{info.StorePath}");
        Assert.That(top, Does.Not.Contain("<script>").And.Not.Contain("<onload").And.Contain("&lt;script&gt;alert(1)&lt;").And.Contain("\\xff").And.Contain("\\xe2\\x80\\xae"));
        string[] folders = [.. Links(top).Where(link => link.StartsWith($"../path/{info.StorePath}/", StringComparison.Ordinal))];
        Assert.That(folders, Has.Length.EqualTo(root.Count));
        for (int i = 0; i < folders.Length; i++)
        {
            // Uri would have its own ideas of what is the same.
            string target = folders[i][2..];
            (int status, string page) = await RawRequest.SendAsync(_server.Port, $"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            Assert.That((status, page.Contains("<script>", StringComparison.Ordinal)), Is.EqualTo((200, false)), target);
            string[] links = [.. Links(page).Where(link => link.StartsWith($"../../path/{info.StorePath}/", StringComparison.Ordinal) && link.Split('/').Length == 6)];
            Assert.That(links, Has.Length.EqualTo(files.Count));
            string file = links[i][5..];
            Assert.That(file, Does.StartWith(target), "the same folder");
            (status, string contents) = await RawRequest.SendAsync(_server.Port, $"GET {file}?view=download HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            Assert.That((status, contents), Is.EqualTo((200, Encoding.Latin1.GetString(files[i].Name.Bytes))), file);
            (status, page) = await RawRequest.SendAsync(_server.Port, $"GET {file} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            Assert.That((status, page.Contains("<script>", StringComparison.Ordinal)), Is.EqualTo((200, false)), file);
        }
    }

    [Test]
    public async Task File_IsSentAsWhatNoBrowserRuns()
    {
        byte[] html = Encoding.UTF8.GetBytes("<html><script>alert(1)</script>ä");
        CastoreDirectory root = CastoreDirectory.FromEntries([new DirectoryEntry(new PathComponent("ü \".html"), await _server.AddFileAsync(html))]);
        await _server.Store.Directories.PutAsync(root);
        PathInfo info = await _server.AddAsync("page.html", root.ToNode());
        string path = $"path/{info.StorePath}/%C3%BC%20%22.html";

        HttpResponseMessage download = await _server.GetAsync(path + "?view=download");
        Assert.That(await download.Content.ReadAsByteArrayAsync(), Is.EqualTo(html));
        Assert.That(download.Content.Headers.ContentType!.ToString(), Is.EqualTo("application/octet-stream"));
        Assert.That(download.Content.Headers.ContentDisposition!.DispositionType, Is.EqualTo("attachment"));
        Assert.That(download.Content.Headers.ContentDisposition.FileNameStar, Is.EqualTo("ü \".html"));
        HttpResponseMessage text = await _server.GetAsync(path + "?view=text");
        Assert.That(text.Content.Headers.ContentType!.ToString(), Is.EqualTo("text/plain; charset=utf-8"));
        HttpResponseMessage page = await _server.GetAsync(path);
        Assert.That(await page.Content.ReadAsStringAsync(), Does.Contain("&lt;script&gt;alert(1)&lt;/script&gt;ä").And.Not.Contain("<script>"));
        foreach (HttpResponseMessage response in (HttpResponseMessage[])[download, text, page, await _server.GetAsync("/"), await _server.GetAsync("style.css"), await _server.GetAsync("icon.svg"), await _server.GetAsync("path/x")])
        {
            Assert.That(response.Headers.GetValues("Content-Security-Policy").Single(), Does.StartWith("default-src 'none'").And.Not.Contain("script-src"));
            Assert.That(response.Headers.GetValues("X-Content-Type-Options").Single(), Is.EqualTo("nosniff"));
            Assert.That(response.Headers.GetValues("Referrer-Policy").Single(), Is.EqualTo("no-referrer"));
        }
    }

    [Test]
    public async Task Download_InParts_IsTheFile()
    {
        byte[] bytes = new byte[500_000];
        new Random(3).NextBytes(bytes);
        PathInfo info = await _server.AddAsync("file", await _server.AddFileAsync(bytes));
        string path = $"path/{info.StorePath}?view=download";
        HttpResponseMessage whole = await _server.GetAsync(path);
        Assert.That(await whole.Content.ReadAsByteArrayAsync(), Is.EqualTo(bytes));
        HttpResponseMessage head = await _server.HeadAsync(path);
        Assert.That((head.Content.Headers.ContentLength, head.Headers.ETag), Is.EqualTo(((long?)bytes.Length, whole.Headers.ETag)));
        HttpResponseMessage part = await _server.GetAsync(path, ("Range", "bytes=300000-300099"));
        Assert.That((part.StatusCode, part.Content.Headers.ContentRange), Is.EqualTo((HttpStatusCode.PartialContent, new ContentRangeHeaderValue(300_000, 300_099, 500_000))));
        Assert.That(await part.Content.ReadAsByteArrayAsync(), Is.EqualTo(bytes[300_000..300_100]));
        Assert.That((await _server.GetAsync(path, ("Range", "bytes=500000-"))).StatusCode, Is.EqualTo(HttpStatusCode.RequestedRangeNotSatisfiable));
        Assert.That((await _server.GetAsync(path, ("If-None-Match", whole.Headers.ETag!.ToString()))).StatusCode, Is.EqualTo(HttpStatusCode.NotModified));
        Assert.That(await _server.Client.GetStringAsync($"path/{info.StorePath}"), Does.Contain("no text"));
        Assert.That((await _server.Client.GetByteArrayAsync($"path/{info.StorePath}?view=text")), Has.Length.EqualTo(256 << 10));
    }

    [TestCase(0, true)]
    [TestCase(1, true)]
    [TestCase(2, true)]
    [TestCase(3, true)]
    public void IsText_WhereTheLastCharacterIsCut_StaysText(int cut, bool expected)
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("😀", (FileReply.PreviewLength / 4) + 1)));
        byte[] start = [.. new string('a', cut).Select(c => (byte)c), .. text];
        Assert.That(FileReply.IsText(start.AsSpan(0, FileReply.PreviewLength)), Is.EqualTo(expected));
        Assert.That(FileReply.IsText(text.AsSpan(0, 4002)), Is.False, "all of a shorter file was read");
        Assert.That(FileReply.IsText([(byte)'a', 0]), Is.False);
    }

    [TestCase("path/")]
    [TestCase("path/x")]
    [TestCase("path/00000000000000000000000000000000-unknown")]
    [TestCase("path/%00")]
    public async Task Page_OfWhatIsNotThere_IsNotFound(string path)
    {
        HttpResponseMessage response = await _server.GetAsync(path);
        Assert.That((int)response.StatusCode, Is.EqualTo(path.Contains("%00", StringComparison.Ordinal) ? 400 : 404));
    }

    [Test]
    public async Task Page_BelowWhatIsThere_IsNotFound()
    {
        PathInfo info = await _server.AddAsync("tree", await _server.AddTreeAsync());
        foreach (string below in (string[])["gone", "small/x", "bin/link/x", "bin//run", "%2e%2e", "bin/%2e", new string('a', 256)])
        {
            (int status, string page) = await RawRequest.SendAsync(_server.Port, $"GET /path/{info.StorePath}/{below} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            Assert.That(status, Is.EqualTo(404), $"{below} {page}");
        }

        CastoreDirectory broken = CastoreDirectory.FromEntries(
        [
            new DirectoryEntry(new PathComponent("file"), new Node.File(new B3Digest(new byte[32]), 8, false)), new DirectoryEntry(new PathComponent("folder"), new Node.Directory(new B3Digest(new byte[32]), 0)),
        ]);
        await _server.Store.Directories.PutAsync(broken);
        await _server.Store.PathInfos.PutAsync(new PathInfo { StorePath = StorePath.ParseBaseName(Base32(1) + "-broken"), Node = broken.ToNode(), NarSize = 1, NarHash = Sha256Digest.Compute([]) });
        string root = $"path/{Base32(1)}-broken";
        Assert.That(await _server.Client.GetStringAsync(root + "/file"), Does.Contain("not in the store"));
        Assert.That((await _server.GetAsync(root + "/file?view=download")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await _server.GetAsync(root + "/file?view=text")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await _server.GetAsync(root + "/folder")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await _server.GetAsync(root + "/folder/x")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [Test]
    public async Task Path_ThatIsTooDeepForAUrl_IsShownWithoutALink()
    {
        CastoreDirectory directory = CastoreDirectory.Empty;
        await _server.Store.Directories.PutAsync(directory);
        for (int i = 0; i < 12; i++)
        {
            directory = CastoreDirectory.FromEntries([new DirectoryEntry(new PathComponent(Enumerable.Repeat((byte)0xfe, 250).ToArray()), directory.ToNode())]);
            await _server.Store.Directories.PutAsync(directory);
        }

        PathInfo info = await _server.AddAsync("deep", directory.ToNode());
        string target = $"/path/{info.StorePath}";
        for (int depth = 0; ; depth++)
        {
            (int status, string page) = await RawRequest.SendAsync(_server.Port, $"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            Assert.That(status, Is.EqualTo(200));
            string[] links = [.. Links(page).Where(link => link.Contains($"path/{info.StorePath}/", StringComparison.Ordinal) && link.Length > target.Length + 250)];
            if (links.Length == 0)
            {
                Assert.That(depth, Is.EqualTo(9));
                break;
            }

            target = "/" + links[^1][links[^1].IndexOf("path/", StringComparison.Ordinal)..];
        }
    }

    [Test]
    public async Task Pages_InAGroup_LinkToWhereTheyAre()
    {
        await using WebApplication app = Build();
        app.MapGet("/", () => "mine");
        app.MapNixBinaryCache(_server.Store);
        app.MapGroup("/caches/one").MapNixBinaryCache(_server.Store);
        app.MapGroup("/none").MapNixBinaryCache(_server.Store, new NixBinaryCacheOptions { ShowPages = false });
        await app.StartAsync();
        PathInfo info = await _server.AddAsync("tree", await _server.AddTreeAsync());
        using HttpClient client = new() { BaseAddress = new Uri(app.Urls.First()) };
        Assert.That(await client.GetStringAsync("/"), Is.EqualTo("mine"), "what the application has comes first");
        HttpResponseMessage list = await client.GetAsync("/caches/one?q=tree");
        Assert.That(list.RequestMessage!.RequestUri!.PathAndQuery, Is.EqualTo("/caches/one/?q=tree"));
        Uri page = new(list.RequestMessage.RequestUri, Links(await list.Content.ReadAsStringAsync()).Single(link => link.Contains("-tree", StringComparison.Ordinal)));
        Assert.That(page.AbsolutePath, Is.EqualTo($"/caches/one/path/{info.StorePath}"));
        foreach (string link in Links(await client.GetStringAsync(page)).Where(link => !link.StartsWith('#')))
        {
            Assert.That((await client.GetAsync(new Uri(page, link))).StatusCode, Is.EqualTo(HttpStatusCode.OK), link);
        }

        foreach (string path in (string[])["/none", "/none/", "/none/style.css", $"/none/path/{info.StorePath}"])
        {
            Assert.That((await client.GetAsync(path)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound), path);
        }

        await app.StopAsync();
    }

    [TestCase(0UL, "0 bytes", "0 bytes")]
    [TestCase(1UL, "1 byte", "1 byte")]
    [TestCase(1023UL, "1023 bytes", "1 023 bytes")]
    [TestCase(1536UL, "1.5 KiB", "1 536 bytes")]
    [TestCase(300_000UL, "293 KiB", "300 000 bytes")]
    [TestCase(ulong.MaxValue, "16.0 EiB", "18 446 744 073 709 551 615 bytes")]
    public void Size_IsShownForPeople(ulong bytes, string expected, string exact) =>
        Assert.That((SizeText.Short(bytes), SizeText.Exact(bytes).Replace('\u00a0', ' ')), Is.EqualTo((expected, exact)));

    private static WebApplication Build()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRoutingCore();
        return builder.Build();
    }

    private sealed class SteppingTime : TimeProvider
    {
        private long _seconds;

        public override long TimestampFrequency => 1;

        public void Advance() => _seconds++;

        public override long GetTimestamp() => _seconds;
    }

    /// <summary>Path infos that would have to be fetched.</summary>
    private sealed class FarPathInfos : IPathInfoService, INarInfoService
    {
        public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default) => throw new InvalidOperationException("This would fetch.");

        public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) => throw new InvalidOperationException("This would fetch.");

        public ValueTask<PathInfo?> FindAsync(StorePathDigest digest, CancellationToken cancellationToken = default) => ValueTask.FromResult<PathInfo?>(null);

        public ValueTask<NarInfo?> GetNarInfoAsync(StorePathDigest digest, CancellationToken cancellationToken = default) => ValueTask.FromResult<NarInfo?>(null);

        public ValueTask<Stream?> OpenNarAsync(StorePathDigest digest, CancellationToken cancellationToken = default) => throw new InvalidOperationException("This would fetch.");

        public IAsyncEnumerable<StorePathDigest> ListDigestsAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }

    private sealed class ScriptedPathInfos(IPathInfoService inner, Func<IAsyncEnumerable<PathInfo>> list) : IPathInfoService
    {
        public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default) => inner.GetAsync(digest, cancellationToken);

        public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default) => inner.PutAsync(pathInfo, cancellationToken);

        public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) => list();
    }
}
