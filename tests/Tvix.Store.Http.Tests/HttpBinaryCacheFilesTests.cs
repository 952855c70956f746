using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Compression;
using Tvix.Store.BinaryCaches;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

/// <summary>How the client of binary caches asks over HTTP, and what it makes of the answers.</summary>
[TestFixture]
public sealed class HttpBinaryCacheFilesTests
{
    private static readonly byte[] s_bytes = MakeBytes();

    private ScriptedServer _server = null!;

    [SetUp]
    public async Task StartAsync() => _server = await ScriptedServer.StartAsync();

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task Open_OfAFile_GivesItsBytes()
    {
        _server.Answer = (http, _) => http.Response.Body.WriteAsync(s_bytes).AsTask();
        using HttpBinaryCacheFiles files = Open();
        Assert.That(await ReadAsync(files, "nar/x.nar?hash=1"), Is.EqualTo(s_bytes));
        Assert.That(_server.Requests.Single().Path, Is.EqualTo("/nar/x.nar?hash=1"));
        Assert.That(_server.Requests.Single().Headers.Keys, Has.None.EqualTo("Authorization").And.None.EqualTo("Accept-Encoding").And.None.EqualTo("Range"));
    }

    [TestCase(401)]
    [TestCase(403)]
    [TestCase(404)]
    [TestCase(410)]
    public async Task Any_OfWhatIsNotThere_IsAbsent(int status)
    {
        _server.Answer = (http, _) => Status(http, status);
        using HttpBinaryCacheFiles files = Open();
        Assert.That(await files.OpenAsync("x"), Is.Null);
        Assert.That(await files.HasAsync("x"), Is.False);
        Assert.That(_server.Requests.Select(request => request.Method), Is.EqualTo(new[] { "GET", "HEAD" }));
    }

    [TestCase(400)]
    [TestCase(405)]
    [TestCase(501)]
    public async Task Any_OfAnotherStatus_FailsAtOnce(int status)
    {
        _server.Answer = (http, _) => Status(http, status, "no such\nluck");
        using HttpBinaryCacheFiles files = Open();
        Assert.That(async () => await files.OpenAsync("x"), Throws.TypeOf<StorageException>()
            .With.Property("IsTransient").False.And.Message.EqualTo($"GET {_server.Url}x: the server answers {status}: no such luck"));
        Assert.That(async () => await files.HasAsync("x"), Throws.TypeOf<StorageException>().With.Message.Contains($"answers {status}"));
        Assert.That(_server.Requests, Has.Count.EqualTo(2));
        await Task.CompletedTask;
    }

    [TestCase(500)]
    [TestCase(502)]
    [TestCase(503)]
    [TestCase(429)]
    [TestCase(408)]
    public async Task Any_FailingForAWhile_IsRepeated(int status)
    {
        _server.Answer = (http, number) => number % 3 == 0 ? http.Response.Body.WriteAsync(s_bytes).AsTask() : Status(http, status);
        using HttpBinaryCacheFiles files = Open();
        Assert.That(await ReadAsync(files, "x"), Is.EqualTo(s_bytes));
        _server.Answer = (http, number) => number % 3 == 0 ? Task.CompletedTask : Status(http, status);
        Assert.That(await files.HasAsync("x"), Is.True);
        Assert.That(_server.Requests, Has.Count.EqualTo(6));
    }

    [Test]
    public async Task Any_FailingForEver_IsATransientExceptionWithTheUrl()
    {
        _server.Answer = (http, _) => Status(http, 503, "under repair");
        using HttpBinaryCacheFiles files = Open();
        Assert.That(async () => await files.OpenAsync("x"), Throws.TypeOf<StorageException>().With.Property("IsTransient").True
            .And.Message.Contains($"{_server.Url}x").And.Message.Contains("503").And.Message.Contains("under repair"));
        Assert.That(_server.Requests, Has.Count.EqualTo(4), "once, and three times again");
        await _server.DisposeAsync();
        Assert.That(async () => await files.OpenAsync("x"), Throws.TypeOf<StorageException>().With.Property("IsTransient").True);
    }

    [Test]
    public async Task Any_WithRetryAfter_WaitsSoLong()
    {
        _server.Answer = (http, number) =>
        {
            http.Response.Headers.RetryAfter = "3600"; // not quite so long
            return Status(http, number == 1 ? 429 : 200);
        };
        using HttpBinaryCacheFiles files = Open(options => options.Timeout = TimeSpan.FromMilliseconds(300));
        long start = Stopwatch.GetTimestamp();
        Assert.That(await files.HasAsync("x"), Is.True);
        Assert.That(Stopwatch.GetElapsedTime(start), Is.GreaterThan(TimeSpan.FromMilliseconds(250)));
    }

    [Test]
    public async Task Any_AfterManyFailures_IsNotEvenTriedForATime()
    {
        ManualTime time = new();
        _server.Answer = (http, _) => Status(http, 500);
        using HttpBinaryCacheFiles files = Open(options => (options.Retries, options.BreakAfter, options.BreakDuration, options.TimeProvider) = (0, 3, TimeSpan.FromSeconds(30), time));
        for (int i = 0; i < 3; i++)
        {
            Assert.That(async () => await files.HasAsync("x"), Throws.TypeOf<StorageException>().With.Message.Contains("500"));
        }

        Assert.That(async () => await files.HasAsync("x"), Throws.TypeOf<StorageException>().With.Property("IsTransient").True.And.Message.Contains("was not tried"));
        Assert.That(_server.Requests, Has.Count.EqualTo(3));
        _server.Answer = (_, _) => Task.CompletedTask;
        time.Advance(TimeSpan.FromSeconds(29));
        Assert.That(async () => await files.HasAsync("x"), Throws.TypeOf<StorageException>());
        time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.That(await files.HasAsync("x"), Is.True);
        Assert.That(await files.HasAsync("x"), Is.True);
    }

    [Test]
    public async Task Open_OfAServerThatHangs_FailsInTime()
    {
        _server.Answer = (http, _) => Task.Delay(Timeout.Infinite, http.RequestAborted);
        using HttpBinaryCacheFiles files = Open(options => (options.Timeout, options.Retries) = (TimeSpan.FromMilliseconds(200), 1));
        Task<Stream?> open = files.OpenAsync("x").AsTask();
        Assert.That(async () => await open.WaitAsync(TimeSpan.FromSeconds(20)), Throws.TypeOf<StorageException>().With.Property("IsTransient").True.And.Message.Contains("no answer within"));
        Assert.That(_server.Requests, Has.Count.EqualTo(2));
        await Task.CompletedTask;
    }

    [Test]
    public async Task Read_OfAServerThatStops_FailsInTime()
    {
        _server.Answer = async (http, _) =>
        {
            await ScriptedServer.SendPartAsync(http, s_bytes, 0, 1000);
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        };
        using HttpBinaryCacheFiles files = Open(options => options.Timeout = TimeSpan.FromMilliseconds(200));
        await using Stream stream = (await files.OpenAsync("x"))!;
        await stream.ReadExactlyAsync(new byte[1000]);
        Assert.That(async () => await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(TimeSpan.FromSeconds(20)), Throws.InstanceOf<IOException>().With.Message.Contains("nothing came"));
    }

    [Test]
    public async Task Read_Cancelled_IsCancelled()
    {
        using CancellationTokenSource stop = new();
        _server.Answer = async (http, _) =>
        {
            await ScriptedServer.SendPartAsync(http, s_bytes, 0, 1000);
            await stop.CancelAsync();
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        };
        using HttpBinaryCacheFiles files = Open();
        await using Stream stream = (await files.OpenAsync("x"))!;
        Assert.That(async () => await stream.CopyToAsync(Stream.Null, stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await files.OpenAsync("x", stop.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Read_OfACutConnection_GoesOnWhereItWas()
    {
        const int Piece = 70_000;
        _server.Answer = async (http, number) =>
        {
            int from = Ranged(http, "\"v1\"");
            await ScriptedServer.SendPartAsync(http, s_bytes, from, Math.Min(Piece, s_bytes.Length - from));
        };
        using HttpBinaryCacheFiles files = Open(options => options.Retries = 1);
        Assert.That(await ReadAsync(files, "x"), Is.EqualTo(s_bytes), "more often than it is tried without getting any further");
        var again = _server.Requests.Skip(1).ToArray();
        Assert.That(again, Has.Length.EqualTo(s_bytes.Length / Piece));
        foreach (var request in again)
        {
            Assert.That(request.Headers.Range.ToString(), Does.Match("^bytes=[1-9][0-9]*-$"));
            Assert.That(request.Headers.IfRange.ToString(), Is.EqualTo("\"v1\""));
        }
    }

    [TestCase("no ranges")]
    [TestCase("changed")]
    [TestCase("changed, and sent all the same")]
    [TestCase("another part")]
    [TestCase("another length")]
    [TestCase("gone")]
    public async Task Read_OfACutConnectionThatCannotGoOn_Fails(string how)
    {
        _server.Answer = async (http, number) =>
        {
            if (number > 1 && how == "gone")
            {
                await Status(http, 404);
                return;
            }

            bool first = number == 1;
            int from = Ranged(http, first || !how.StartsWith("changed", StringComparison.Ordinal) ? "\"v1\"" : "\"v2\"", how != "changed, and sent all the same");
            if (how == "no ranges")
            {
                http.Response.Headers.AcceptRanges = default;
            }
            else if (!first && how is "another part" or "another length")
            {
                http.Response.Headers.ContentRange = how == "another part"
                    ? $"bytes {from - 1}-{s_bytes.Length - 1}/{s_bytes.Length}"
                    : $"bytes {from}-{s_bytes.Length - 1}/{s_bytes.Length + 1}";
            }

            await ScriptedServer.SendPartAsync(http, s_bytes, from, first ? 100_000 : s_bytes.Length - from);
        };
        using HttpBinaryCacheFiles files = Open();
        Assert.That(async () => await ReadAsync(files, "x"), Throws.InstanceOf<IOException>());
        Assert.That(_server.Requests, Has.Count.EqualTo(how == "no ranges" ? 1 : 2));
        await Task.CompletedTask;
    }

    [Test]
    public async Task Read_ThatBreaksOffAgainAndAgain_FailsInTheEnd()
    {
        _server.Answer = async (http, number) =>
        {
            int from = Ranged(http, "\"v1\"");
            await ScriptedServer.SendPartAsync(http, s_bytes, from, number == 1 ? 1000 : 0);
        };
        using HttpBinaryCacheFiles files = Open();
        Assert.That(async () => await ReadAsync(files, "x"), Throws.InstanceOf<IOException>());
        Assert.That(_server.Requests.Count, Is.EqualTo(4), "three times without getting any further");
        await Task.CompletedTask;
    }

    [Test]
    public async Task Read_WithoutALength_FindsWhereItBreaksOff()
    {
        SyncPoint gate = new();
        _server.Answer = async (http, _) =>
        {
            await http.Response.Body.WriteAsync(s_bytes.AsMemory(0, 1000));
            await http.Response.Body.FlushAsync();
            await gate.StopAsync();
            http.Abort();
        };
        using HttpBinaryCacheFiles files = Open();
        await using Stream stream = (await files.OpenAsync("x"))!;
        await stream.ReadExactlyAsync(new byte[1000]);
        gate.Continue();
        Assert.That(async () => await stream.ReadAsync(new byte[1]), Throws.InstanceOf<IOException>());
    }

    [TestCase("gzip")]
    [TestCase("x-gzip")]
    [TestCase("br")]
    [TestCase("zstd")]
    [TestCase("identity")]
    public async Task Open_OfAContentCoding_UndoesIt(string coding)
    {
        MemoryStream coded = new();
        await using (Stream stream = coding switch
        {
            "br" => new BrotliStream(coded, CompressionLevel.Fastest, leaveOpen: true),
            "zstd" => new ZstdCompressionStream(coded, leaveOpen: true),
            "identity" => coded,
            _ => new GZipStream(coded, CompressionLevel.Fastest, leaveOpen: true),
        })
        {
            await stream.WriteAsync(s_bytes);
        }

        byte[] bytes = coded.ToArray();
        _server.Answer = (http, _) =>
        {
            http.Response.Headers.ContentEncoding = coding;
            return http.Response.Body.WriteAsync(bytes).AsTask();
        };
        using HttpBinaryCacheFiles files = Open();
        Assert.That(await ReadAsync(files, "x"), Is.EqualTo(s_bytes));
    }

    [TestCase("compress")]
    [TestCase("gzip, br")]
    public async Task Open_OfAnUnknownContentCoding_Fails(string coding)
    {
        _server.Answer = (http, _) =>
        {
            http.Response.Headers.ContentEncoding = coding;
            return http.Response.Body.WriteAsync(s_bytes).AsTask();
        };
        using HttpBinaryCacheFiles files = Open();
        Assert.That(async () => await files.OpenAsync("x"), Throws.TypeOf<StorageException>());
        await Task.CompletedTask;
    }

    [TestCase("/sub/cache", "/sub/cache/x.narinfo")]
    [TestCase("/sub/cache/", "/sub/cache/x.narinfo")]
    [TestCase("", "/x.narinfo")]
    public async Task Open_BelowABaseUrl_KeepsItsPath(string path, string expected)
    {
        using HttpBinaryCacheFiles files = new(new Uri(_server.Url, path));
        await ReadAsync(files, "x.narinfo");
        Assert.That(_server.Requests.Single().Path, Is.EqualTo(expected));
        Assert.That(files.Location, Is.EqualTo(new Uri(_server.Url, expected[..^"x.narinfo".Length]).AbsoluteUri));
    }

    [TestCase("ftp://example.org/")]
    [TestCase("http://example.org/?x=1")]
    [TestCase("http://example.org/#x")]
    [TestCase("/relative")]
    public void Constructor_OfAWrongUrl_Throws(string url) =>
        Assert.That(() => new HttpBinaryCacheFiles(new Uri(url, UriKind.RelativeOrAbsolute)), Throws.ArgumentException);

    [Test]
    public void Constructor_OptionOutOfRange_Throws()
    {
        foreach (Action<HttpBinaryCacheOptions> wrong in (Action<HttpBinaryCacheOptions>[])
        [
            options => options.Timeout = TimeSpan.FromMilliseconds(1), options => options.Timeout = TimeSpan.FromDays(2), options => options.ConnectTimeout = TimeSpan.Zero,
            options => options.Retries = -1, options => options.RetryDelay = TimeSpan.FromTicks(-1), options => options.RetryDelay = TimeSpan.FromDays(2),
            options => options.BreakAfter = 1, options => options.BreakDuration = TimeSpan.FromMilliseconds(1), options => options.BreakDuration = TimeSpan.FromDays(2),
            options => options.TimeProvider = null!,
        ])
        {
            Assert.That(() => Open(wrong), Throws.InstanceOf<ArgumentException>());
        }
    }

    [Test]
    public async Task Open_OfAnUrlThatIsNotHttp_Fails()
    {
        using HttpBinaryCacheFiles files = Open();
        Assert.That(async () => await files.OpenAsync("file:///etc/passwd"), Throws.TypeOf<StorageException>());
        Assert.That(async () => await files.OpenAsync("ftp://example.org/x"), Throws.TypeOf<StorageException>());
        Assert.That(() => files.ListAsync(), Throws.TypeOf<NotSupportedException>());
        await Task.CompletedTask;
    }

    [Test]
    public async Task Any_WithSecrets_SendsThemToTheCacheOnly([Values("header", "token", "user", "netrc", "default")] string how, [Values("url", "redirect")] string way)
    {
        using TempFolder folder = new();
        await using ScriptedServer other = await ScriptedServer.StartAsync((http, _) => http.Response.Body.WriteAsync(s_bytes).AsTask());

        // Another name for the same device, so that a host tells them apart.
        Uri otherUrl = new UriBuilder(other.Url) { Host = "localhost" }.Uri;
        Action<HttpBinaryCacheOptions> secret = how switch
        {
            "header" => options => options.Headers["X-Secret"] = "secret",
            "token" => options => options.BearerToken = _ => new ValueTask<string?>("secret"),
            "netrc" => options => options.NetrcFile = Write("machine 127.0.0.1 login me password secret"),
            "default" => options => options.NetrcFile = Write("default login me password secret"),
            _ => _ => { },
        };
        UriBuilder url = new(_server.Url);
        if (how == "user")
        {
            (url.UserName, url.Password) = ("me", "secret");
        }

        _server.Answer = (http, _) =>
        {
            if (way == "redirect")
            {
                http.Response.Headers.Location = new Uri(otherUrl, "elsewhere").AbsoluteUri;
                http.Response.StatusCode = 302;
            }

            return Task.CompletedTask;
        };
        using HttpBinaryCacheFiles files = Open(secret, url.Uri);
        Assert.That(files.Location, Does.Not.Contain("secret"));
        await files.HasAsync("x");
        await files.OpenAsync(way == "url" ? new Uri(otherUrl, "elsewhere").AbsoluteUri : "x");

        string expected = how switch { "header" => "", "token" => "Bearer secret", _ => "Basic " + Convert.ToBase64String("me:secret"u8) };
        Assert.That(_server.Requests, Is.Not.Empty.And.All.Matches<(string, string, IHeaderDictionary Headers)>(
            request => request.Headers.Authorization.ToString() == expected && (how != "header" || request.Headers["X-Secret"] == "secret")));
        Assert.That(other.Requests, Is.Not.Empty.And.All.Matches<(string, string Path, IHeaderDictionary Headers)>(
            request => request.Path == "/elsewhere" && request.Headers.Authorization.Count == 0 && !request.Headers.ContainsKey("X-Secret")));

        string Write(string text)
        {
            File.WriteAllText(folder["netrc"], text);
            return folder["netrc"];
        }
    }

    [Test]
    public async Task Open_OfARedirection_FollowsItAndGoesOnThere([Values(301, 302, 303, 307, 308)] int status)
    {
        _server.Answer = async (http, number) =>
        {
            if (http.Request.Path == "/x")
            {
                http.Response.Headers.Location = "/real";
                await Status(http, status);
                return;
            }

            int from = Ranged(http, "\"v1\"");
            await ScriptedServer.SendPartAsync(http, s_bytes, from, from == 0 ? 1000 : s_bytes.Length - from);
        };
        using HttpBinaryCacheFiles files = Open();
        Assert.That(await ReadAsync(files, "x"), Is.EqualTo(s_bytes));
        Assert.That(_server.Requests.Select(request => request.Path), Is.EqualTo(new[] { "/x", "/real", "/x", "/real" }));
    }

    [Test]
    public async Task Open_OfEndlessRedirections_Fails()
    {
        _server.Answer = (http, _) =>
        {
            http.Response.Headers.Location = "/x";
            return Status(http, 302);
        };
        using HttpBinaryCacheFiles files = Open();
        Assert.That(async () => await files.OpenAsync("x"), Throws.TypeOf<StorageException>().With.Message.Contains("302"));
        Assert.That(_server.Requests, Has.Count.EqualTo(11));
        await Task.CompletedTask;
    }

    [Test]
    public async Task Open_WithAnHttpClient_ReadsNothingAhead()
    {
        SyncPoint gate = new();
        _server.Answer = async (http, _) =>
        {
            await ScriptedServer.SendPartAsync(http, s_bytes, 0, 1000);
            await gate.StopAsync();
            await http.Response.Body.WriteAsync(s_bytes.AsMemory(1000));
        };
        using HttpClient client = new();
        using HttpBinaryCacheFiles files = Open(options => options.Invoker = client);
        await using Stream stream = (await files.OpenAsync("x"))!;
        byte[] start = new byte[1000];
        await stream.ReadExactlyAsync(start);
        gate.Continue();
        MemoryStream rest = new();
        await stream.CopyToAsync(rest);
        Assert.That((byte[])[.. start, .. rest.ToArray()], Is.EqualTo(s_bytes));
    }

    [Test]
    public async Task Open_WithAnHttpClientThatGivesUp_IsATransientException()
    {
        _server.Answer = (http, _) => Task.Delay(Timeout.Infinite, http.RequestAborted);
        using HttpClient client = new() { Timeout = TimeSpan.FromMilliseconds(100) };
        using HttpBinaryCacheFiles files = Open(options => (options.Invoker, options.Retries) = (client, 0));
        Assert.That(async () => await files.OpenAsync("x"), Throws.TypeOf<StorageException>().With.Property("IsTransient").True);
        await Task.CompletedTask;
    }

    [TestCase(200)]
    [TestCase(201)]
    [TestCase(202)]
    [TestCase(204)]
    public async Task Put_ThatIsTaken_SendsTheContents(int status)
    {
        byte[] received = [];
        string? type = null;
        _server.Answer = async (http, _) =>
        {
            received = await BodyAsync(http);
            type = http.Request.ContentType;
            await Status(http, status);
        };
        using HttpBinaryCacheFiles files = Open();
        await files.PutAsync("nar/x.nar", "application/x-nix-nar", BinaryCacheContents.From(s_bytes));
        Assert.That(received, Is.EqualTo(s_bytes));
        Assert.That(type, Is.EqualTo("application/x-nix-nar"));
        Assert.That(_server.Requests.Single().Headers.ContentLength, Is.EqualTo(s_bytes.Length));
    }

    [TestCase(405)]
    [TestCase(501)]
    public void Put_ThatIsNotAllowed_IsNotSupported(int status)
    {
        _server.Answer = (http, _) => Status(http, status);
        using HttpBinaryCacheFiles files = Open();
        Assert.That(async () => await files.PutAsync("x", "text/plain", BinaryCacheContents.From(s_bytes)), Throws.TypeOf<NotSupportedException>());
        Assert.That(_server.Requests, Has.Count.EqualTo(1));
    }

    [TestCase(401)]
    [TestCase(403)]
    [TestCase(404)]
    [TestCase(413)]
    public void Put_ThatIsRefused_Fails(int status)
    {
        _server.Answer = (http, _) => Status(http, status);
        using HttpBinaryCacheFiles files = Open();
        Assert.That(
            async () => await files.PutAsync("x", "text/plain", BinaryCacheContents.From(s_bytes)),
            Throws.TypeOf<StorageException>().With.Message.Contains($"PUT {_server.Url}x").And.Message.Contains($"{status}").And.Property("IsTransient").False);
    }

    [Test]
    public async Task Put_ThatFailsForAWhile_SendsTheContentsAgain([Values] bool early)
    {
        byte[] received = [];
        _server.Answer = async (http, number) =>
        {
            if (number < 3)
            {
                if (!early)
                {
                    await BodyAsync(http);
                }

                await Status(http, 500);
                return;
            }

            received = await BodyAsync(http);
        };
        using HttpBinaryCacheFiles files = Open();
        int now = 0;
        BinaryCacheContents contents = new(s_bytes.Length, async (destination, token) =>
        {
            Assert.That(Interlocked.Increment(ref now), Is.EqualTo(1), "one after the other");
            await destination.WriteAsync(s_bytes, token);
            Interlocked.Decrement(ref now);
        });
        await files.PutAsync("x", "text/plain", contents);
        Assert.That(received, Is.EqualTo(s_bytes));
        Assert.That(_server.Requests, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task Put_ToAServerThatHangs_FailsInTime()
    {
        _server.Answer = async (http, _) =>
        {
            await BodyAsync(http);
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        };
        using HttpBinaryCacheFiles files = Open(options => (options.Timeout, options.Retries) = (TimeSpan.FromMilliseconds(200), 1));
        Task put = files.PutAsync("x", "text/plain", BinaryCacheContents.From(s_bytes)).AsTask();
        Assert.That(async () => await put.WaitAsync(TimeSpan.FromSeconds(20)), Throws.TypeOf<StorageException>().With.Property("IsTransient").True);
        Assert.That(_server.Requests, Has.Count.EqualTo(2));
        await Task.CompletedTask;
    }

    [Test]
    public async Task Put_OfASlowSourceThatMoves_TakesAsLongAsItMust()
    {
        byte[] received = [];
        _server.Answer = async (http, _) => received = await BodyAsync(http);
        Tvix.Tests.Shared.ManualTime time = new();
        using HttpBinaryCacheFiles files = Open(options => (options.Timeout, options.Retries, options.TimeProvider) = (TimeSpan.FromSeconds(10), 0, time));
        BinaryCacheContents contents = new(15, async (destination, token) =>
        {
            for (int i = 0; i < 15; i++)
            {
                await destination.WriteAsync(s_bytes.AsMemory(i, 1), token);
                time.Advance(TimeSpan.FromSeconds(9)); // all of it takes longer than the limit
                token.ThrowIfCancellationRequested();
            }
        });
        await files.PutAsync("x", "text/plain", contents);
        Assert.That(received, Is.EqualTo(s_bytes[..15]));
    }

    private HttpBinaryCacheFiles Open(Action<HttpBinaryCacheOptions>? configure = null, Uri? url = null)
    {
        HttpBinaryCacheOptions options = new() { RetryDelay = TimeSpan.FromMilliseconds(1), Retries = 3, BreakDuration = TimeSpan.Zero };
        configure?.Invoke(options);
        return new HttpBinaryCacheFiles(url ?? _server.Url, options);
    }

    private static async Task<byte[]?> ReadAsync(HttpBinaryCacheFiles files, string path)
    {
        await using Stream? stream = await files.OpenAsync(path);
        if (stream is null)
        {
            return null;
        }

        MemoryStream bytes = new();
        await stream.CopyToAsync(bytes);
        return bytes.ToArray();
    }

    private static Task Status(HttpContext http, int status, string text = "")
    {
        http.Response.StatusCode = status;
        return text.Length > 0 ? http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text)).AsTask() : Task.CompletedTask;
    }

    /// <summary>Answers as a server with ranges does, up to the body.</summary>
    /// <returns>Where the body begins.</returns>
    private static int Ranged(HttpContext http, string tag, bool conditional = true)
    {
        http.Response.Headers.ETag = tag;
        http.Response.Headers.AcceptRanges = "bytes";
        if (http.Request.Headers.Range.Count == 0 || (conditional && http.Request.Headers.IfRange != tag))
        {
            return 0;
        }

        int from = int.Parse(http.Request.Headers.Range.ToString()["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture);
        http.Response.StatusCode = 206;
        http.Response.Headers.ContentRange = $"bytes {from}-{s_bytes.Length - 1}/{s_bytes.Length}";
        return from;
    }

    private static async Task<byte[]> BodyAsync(HttpContext http)
    {
        MemoryStream body = new();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        return body.ToArray();
    }

    private static byte[] MakeBytes()
    {
        byte[] bytes = new byte[300_000];
        new Random(11).NextBytes(bytes);
        return bytes;
    }

    /// <summary>A clock that the test moves; its timers are those of the system.</summary>
    private sealed class ManualTime : TimeProvider
    {
        private DateTimeOffset _now = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => _now;

        public void Advance(TimeSpan time) => _now += time;
    }
}
