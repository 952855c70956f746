using System.Net;
using System.Text;
using NUnit.Framework;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

[TestFixture]
public sealed class KeptFileTests
{
    private TempFolder _folder = null!;
    private CacheServer _server = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        _server = await CacheServer.StartAsync(options: Options());
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        Assert.That(Directory.Exists(_folder["files"]) ? Directory.GetFiles(_folder["files"], "*.new") : [], Is.Empty, "nothing unfinished");
        _folder.Dispose();
        Assert.That(_server.Log.Where(line => line.StartsWith("Error", StringComparison.Ordinal)), Is.Empty);
    }

    [TestCase("log/1b9p07z77phvv2hf6gm9f28syp39f1ag-dep.drv", "text/plain; charset=utf-8", "br")]
    [TestCase("realisations/sha256:0c5b8vw40d1178xlpddw65q9gf1h2186jcc3p4swinwggbllv8mk!out.doi", "application/json", "")]
    [TestCase("build-trace-v2/1b9p07z77phvv2hf6gm9f28syp39f1ag-dep.drv/out.doi", "application/json", "zstd")]
    [TestCase("debuginfo/f5d8a8e2c5f9a6f4c8e0", "application/json", "")]
    public async Task Put_OfAFile_IsServedAsItCame(string path, string type, string encoding)
    {
        byte[] contents = new byte[100_000];
        new Random(1).NextBytes(contents);
        (string, string)[] headers = encoding.Length == 0 ? [] : [("Content-Encoding", encoding)];
        Assert.That((await _server.GetAsync(path)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That(await PutAsync(path, contents, type, headers), Is.EqualTo(204));
        Assert.That(await PutAsync(path, contents, type, headers), Is.EqualTo(204), "once more");
        await _server.DisposeAsync();
        _server = await CacheServer.StartAsync(options: Options());

        HttpResponseMessage get = await _server.GetAsync(path);
        HttpResponseMessage head = await _server.HeadAsync(path);
        Assert.That(await get.Content.ReadAsByteArrayAsync(), Is.EqualTo(contents));
        foreach (HttpResponseMessage response in (HttpResponseMessage[])[get, head])
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(response.Content.Headers.ContentLength, Is.EqualTo(contents.Length));
            Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo(type));
            Assert.That(string.Join(',', response.Content.Headers.ContentEncoding), Is.EqualTo(encoding));
            Assert.That(response.Headers.GetValues("X-Content-Type-Options"), Is.EqualTo((string[])["nosniff"]));
        }

        string tag = get.Headers.ETag!.ToString();
        Assert.That((await _server.GetAsync(path, ("If-None-Match", tag))).StatusCode, Is.EqualTo(HttpStatusCode.NotModified));
        Assert.That((await _server.GetAsync(path + "x")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [TestCase("text/html")]
    [TestCase("image/svg+xml")]
    [TestCase("text/plain; charset=\u007f")]
    [TestCase("")]
    public async Task Put_OfATypeThatBrowsersRun_IsServedAsBytes(string type)
    {
        Assert.That(await PutAsync("log/x", "<script>"u8.ToArray(), type), Is.EqualTo(204));
        HttpResponseMessage response = await _server.GetAsync("log/x");
        Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo("application/octet-stream"));
        Assert.That(response.Headers.GetValues("Content-Security-Policy").Single(), Does.Contain("sandbox"));
    }

    [TestCase("log/x")]
    [TestCase("debuginfo/x")]
    public async Task Put_OfOtherContents_IsRefused(string path)
    {
        Assert.That(await PutAsync(path, "first"u8.ToArray()), Is.EqualTo(204));
        Assert.That(await PutAsync(path, "other"u8.ToArray()), Is.EqualTo(409));
        Assert.That(await _server.Client.GetStringAsync(path), Is.EqualTo("first"));
    }

    [TestCase("realisations/x", /*lang=json*/ """{"id":"x","outPath":"a","signatures":["k:1"]}""", /*lang=json*/ """{"signatures":["k:1","k:2"],"outPath":"a","id":"x"}""", true)]
    [TestCase("build-trace-v2/x", /*lang=json*/ """{"value":{"outPath":"a","signatures":[]}}""", /*lang=json*/ """{"value":{"outPath":"a","signatures":["k:2"]}}""", true)]
    [TestCase("realisations/x", /*lang=json*/ """{"id":"x","outPath":"a","signatures":[]}""", /*lang=json*/ """{"id":"x","outPath":"b","signatures":[]}""", false)]
    [TestCase("realisations/x", /*lang=json*/ """{"id":"x"}""", "no JSON", false)]
    [TestCase("realisations/x", "no JSON", /*lang=json*/ """{"id":"x"}""", false)]
    [TestCase("realisations/x", /*lang=json*/ """{"id":"x"}""", """{"id":"x","id":"x"}""", false)]
    public async Task Put_OfARealisation_MayChangeItsSignaturesOnly(string path, string first, string second, bool isTaken)
    {
        Assert.That(await PutAsync(path, Encoding.UTF8.GetBytes(first)), Is.EqualTo(204));
        Assert.That(await PutAsync(path, Encoding.UTF8.GetBytes(second)), Is.EqualTo(isTaken ? 204 : 409));
        Assert.That(await _server.Client.GetStringAsync(path), Is.EqualTo(isTaken ? second : first));
        Assert.That(Directory.GetFiles(_folder["files"]), Has.Length.EqualTo(1));
    }

    [Test]
    public async Task Put_OfTooMuch_IsRefused()
    {
        NixBinaryCacheOptions options = Options();
        (options.MaxKeptFileSize, options.MaxKeptFiles, options.MaxKeptBytes) = (1000, 3, 2000);
        await using CacheServer small = await CacheServer.StartAsync(options: options);
        Assert.That((int)(await small.PutAsync("log/long", new byte[1001])).StatusCode, Is.EqualTo(413));
        using (HttpRequestMessage request = new(HttpMethod.Put, "log/long") { Content = new ByteArrayContent(new byte[1001]) })
        {
            request.Headers.TransferEncodingChunked = true;
            Assert.That((int)(await small.Client.SendAsync(request)).StatusCode, Is.EqualTo(413));
        }

        Assert.That((int)(await small.PutAsync("log/a", new byte[900])).StatusCode, Is.EqualTo(204));
        Assert.That((int)(await small.PutAsync("log/b", new byte[700])).StatusCode, Is.EqualTo(204));
        Assert.That((int)(await small.PutAsync("log/c", new byte[900])).StatusCode, Is.EqualTo(507), "too much together");
        Assert.That((int)(await small.PutAsync("log/c", new byte[9])).StatusCode, Is.EqualTo(204));
        Assert.That((int)(await small.PutAsync("log/d", new byte[9])).StatusCode, Is.EqualTo(507), "too many");
        Assert.That((await small.GetAsync("log/d")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        await using CacheServer again = await CacheServer.StartAsync(options: options);
        Assert.That((int)(await again.PutAsync("log/d", new byte[9])).StatusCode, Is.EqualTo(507), "it counts what is there");
    }

    [Test]
    public async Task Put_WithANameThatIsNone_IsRefused()
    {
        foreach (string path in (string[])["log/", "log/%c3%a4", "log/%0a", "log/a%20b", "log/" + new string('x', 1025)])
        {
            Assert.That(await PutAsync(path, [1]), Is.EqualTo(400), path);
            Assert.That((await _server.GetAsync(path)).StatusCode, Is.EqualTo(HttpStatusCode.NotFound), path);
        }

        Assert.That(await PutAsync("log/x", [1], headers: ("Content-Encoding", "gzip, br")), Is.EqualTo(415));
        Assert.That(Directory.Exists(_folder["files"]), Is.False);
    }

    [Test]
    public async Task Put_AtTheSameTime_KeepsOne()
    {
        int[] statuses = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => PutAsync("log/x", Encoding.ASCII.GetBytes($"contents {i % 2}"))));
        Assert.That(statuses.Count(status => status == 204), Is.EqualTo(10));
        Assert.That(statuses.Count(status => status == 409), Is.EqualTo(10));
    }

    [Test]
    public async Task Get_OfADamagedFile_IsAFailureOfTheStore()
    {
        Assert.That(await PutAsync("log/x", "contents"u8.ToArray()), Is.EqualTo(204));
        File.WriteAllText(Directory.GetFiles(_folder["files"]).Single(), "something else");
        await using CacheServer server = await CacheServer.StartAsync(options: Options());
        Assert.That((int)(await server.GetAsync("log/x")).StatusCode, Is.EqualTo(500));
        Assert.That(server.Log, Has.Some.Contain("StorageException"));
    }

    [Test]
    public async Task Put_WhereTheFolderCannotBeMade_IsAFailureOfTheStore()
    {
        File.WriteAllText(_folder["files"], "no folder");
        await using CacheServer server = await CacheServer.StartAsync(options: Options());
        Assert.That((int)(await server.PutAsync("log/x", new byte[1])).StatusCode, Is.EqualTo(500));
    }

    private NixBinaryCacheOptions Options() => new() { KeptFilesFolder = _folder["files"] };

    private async Task<int> PutAsync(string path, byte[] contents, string type = "text/plain", params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(HttpMethod.Put, path) { Content = new ByteArrayContent(contents) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        foreach ((string name, string value) in headers)
        {
            request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        return (int)(await _server.Client.SendAsync(request)).StatusCode;
    }
}
