using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Http;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

/// <summary>A binary cache that has what another one has.</summary>
[TestFixture]
public sealed class PullThroughTests
{
    private CacheServer _source = null!;
    private ScriptedServer _upstream = null!;
    private Front _front = null!;
    private PathInfo _info = null!;
    private byte[] _nar = null!;

    /// <summary>What is upstream, by path; and what is to happen instead of an answer.</summary>
    private ConcurrentDictionary<string, byte[]> _files = null!;

    private Func<HttpContext, byte[]?, Task<bool>>? _instead;

    [SetUp]
    public async Task StartAsync()
    {
        _source = await CacheServer.StartAsync();
        _files = new ConcurrentDictionary<string, byte[]>();
        _instead = null;
        _upstream = await ScriptedServer.StartAsync(AnswerAsync);
        _front = await Front.StartAsync(_upstream.Url);
        _info = await _source.AddAsync("tree", await _source.AddTreeAsync());
        _nar = await _source.RenderAsync(_info.Node);
        Publish(_info, _nar);
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _front.DisposeAsync();
        await _upstream.DisposeAsync();
        await _source.DisposeAsync();
        Assert.That(_front.Server.Log.Where(line => line.StartsWith("Error", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task Questions_AboutWhatIsFar_FetchNoContents()
    {
        NarInfo narInfo = await NarInfoAsync(_info);
        Assert.That(narInfo.Url, Is.EqualTo($"nar/{BinaryCacheFileName.FormatNar(_info.NarHash)}?path={_info.StorePath.Digest}"));
        Assert.That((narInfo.Compression, narInfo.FileHash, narInfo.FileSize), Is.EqualTo(("none", (Sha256Digest?)_info.NarHash, (ulong?)_info.NarSize)));
        Assert.That((await _front.Server.HeadAsync($"{_info.StorePath.Digest}.narinfo")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        HttpResponseMessage head = await _front.Server.HeadAsync(narInfo.Url);
        Assert.That((head.StatusCode, head.Content.Headers.ContentLength), Is.EqualTo((HttpStatusCode.OK, (long?)_nar.Length)));
        Assert.That(UpstreamNars, Is.Zero);
        Assert.That(await _front.Near.PathInfos.GetAsync(_info.StorePath.Digest), Is.Null);
        Assert.That((await _front.Server.GetAsync($"{new string('0', 32)}.narinfo")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await _front.Server.GetAsync(narInfo.Url.Replace(_info.StorePath.Digest.ToString(), new string('0', 32), StringComparison.Ordinal))).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [Test]
    public async Task Nar_ThatIsFar_FlowsBeforeTheUpstreamIsDone()
    {
        SyncPoint gate = new();
        _instead = async (http, bytes) =>
        {
            if (IsNar(http))
            {
                await ScriptedServer.SendPartAsync(http, bytes!, 0, 100_000);
                await gate.StopAsync();
                await http.Response.Body.WriteAsync(bytes.AsMemory(100_000));
            }

            return IsNar(http);
        };
        using HttpResponseMessage response = await _front.Server.Client.GetAsync((await NarInfoAsync(_info)).Url, HttpCompletionOption.ResponseHeadersRead);
        Assert.That((response.StatusCode, response.Content.Headers.ContentLength), Is.EqualTo((HttpStatusCode.OK, (long?)_nar.Length)));
        await using Stream body = await response.Content.ReadAsStreamAsync();
        byte[] start = new byte[50_000];
        await body.ReadExactlyAsync(start);
        Assert.That(await _front.Near.PathInfos.GetAsync(_info.StorePath.Digest), Is.Null);
        gate.Continue();
        MemoryStream rest = new();
        await body.CopyToAsync(rest);
        Assert.That((byte[])[.. start, .. rest.ToArray()], Is.EqualTo(_nar));
        Assert.That(await _front.Near.PathInfos.GetAsync(_info.StorePath.Digest), Is.EqualTo(_info), "when the client has all of it");
    }

    [Test]
    public async Task Nar_ThatWasFetched_IsServedWithoutTheUpstream()
    {
        await _front.AssertServesAsync(_info, _nar);
        await _upstream.DisposeAsync();
        _front.Time.Advance(TimeSpan.FromHours(1));
        await _front.AssertServesAsync(_info, _nar);
        HttpResponseMessage part = await _front.Server.GetAsync((await NarInfoAsync(_info)).Url, ("Range", "bytes=1000-1999"));
        Assert.That(part.StatusCode, Is.EqualTo(HttpStatusCode.PartialContent));
        HttpResponseMessage other = await _front.Server.GetAsync($"{new string('0', 32)}.narinfo");
        Assert.That(other.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable), "it is not known that it is not there");
    }

    [Test]
    public async Task Nar_ThatIsFar_CanBeHadInParts()
    {
        HttpResponseMessage part = await _front.Server.GetAsync((await NarInfoAsync(_info)).Url, ("Range", "bytes=1000-1999"));
        Assert.That(part.StatusCode, Is.EqualTo(HttpStatusCode.PartialContent));
        Assert.That(await part.Content.ReadAsByteArrayAsync(), Is.EqualTo(_nar[1000..2000]));
        Assert.That(await _front.Near.PathInfos.GetAsync(_info.StorePath.Digest), Is.EqualTo(_info));
    }

    [Test]
    public async Task Nar_WantedByMany_IsFetchedOnce()
    {
        string url = (await NarInfoAsync(_info)).Url;
        byte[][] all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _front.Server.Client.GetByteArrayAsync(url)));
        Assert.That(all, Has.All.EqualTo(_nar));
        Assert.That(UpstreamNars, Is.EqualTo(1));
    }

    [Test]
    public async Task Listing_OfWhatIsFar_FetchesIt()
    {
        Assert.That((await _front.Server.GetAsync($"{_info.StorePath.Digest}.ls")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await _front.Near.PathInfos.GetAsync(_info.StorePath.Digest), Is.EqualTo(_info));
    }

    [TestCase("corrupted", true)]
    [TestCase("too long", true)]
    [TestCase("too short", true)]
    [TestCase("no NAR", true)]
    [TestCase("missing", true)]
    [TestCase("cut", true)]
    [TestCase("500", true)]
    [TestCase("hang", true)]
    [TestCase("hang in the middle", true)]
    [TestCase("narinfo 500", false)]
    [TestCase("narinfo hang", false)]
    [TestCase("narinfo of another path", false)]
    [TestCase("narinfo malformed", false)]
    [TestCase("narinfo unsigned", false)]
    [TestCase("narinfo of a huge NAR", false)]
    public async Task Anything_WrongUpstream_IsNeverServed(string how, bool hasNarInfo)
    {
        // Without a content address, so that the signature counts.
        PathInfo info = _info with { StorePath = new StorePath(new StorePathDigest(new byte[20]), "signed"), ContentAddress = null };
        Publish(info, _nar, signed: true);
        await using Front front = await Front.StartAsync(_upstream.Url, new TrustedKeys([Front.Key.PublicKey]));
        PublishWrong(how, info);
        string narInfoUrl = $"{info.StorePath.Digest}.narinfo";
        string narUrl = $"nar/{BinaryCacheFileName.FormatNar(info.NarHash)}?path={info.StorePath.Digest}";

        Assert.That((await front.Server.GetAsync(narInfoUrl)).StatusCode, hasNarInfo ? Is.EqualTo(HttpStatusCode.OK) : Is.AnyOf(HttpStatusCode.NotFound, HttpStatusCode.ServiceUnavailable));
        foreach ((string Name, string Value)[] headers in ((string, string)[][])[[], [("Range", "bytes=0-99")]])
        {
            HttpStatusCode? status = null;
            try
            {
                using HttpResponseMessage response = await front.Server.GetAsync(narUrl, headers); // with all of its body
                status = response.StatusCode;
            }
            catch (HttpRequestException)
            {
                // The connection was cut.
            }

            Assert.That(status, Is.Null.Or.AnyOf(HttpStatusCode.NotFound, HttpStatusCode.ServiceUnavailable));
        }

        Assert.That(await front.Near.PathInfos.GetAsync(info.StorePath.Digest), Is.Null);
        Assert.That(await front.Near.Directories.GetAsync(((Node.Directory)info.Node).Digest), Is.Null);

        _instead = null;
        Publish(info, _nar, signed: true);
        front.Time.Advance(TimeSpan.FromMinutes(1));
        await front.AssertServesAsync(info, _nar);
        Assert.That(front.Server.Log.Where(line => line.StartsWith("Error", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task Nar_WhoseClientLeaves_IsNotFetchedFurther()
    {
        TaskCompletionSource left = new();
        _instead = async (http, bytes) =>
        {
            if (IsNar(http))
            {
                using CancellationTokenRegistration registration = http.RequestAborted.Register(() => left.TrySetResult());
                await ScriptedServer.SendPartAsync(http, bytes!, 0, 100_000);
                await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
            }

            return IsNar(http);
        };
        await using Front front = await Front.StartAsync(_upstream.Url, timeout: TimeSpan.FromMinutes(10));
        using (HttpResponseMessage response = await front.Server.Client.GetAsync((await NarInfoAsync(_info)).Url, HttpCompletionOption.ResponseHeadersRead))
        {
            await (await response.Content.ReadAsStreamAsync()).ReadExactlyAsync(new byte[10_000]);
        }

        await left.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.That(await front.Near.PathInfos.GetAsync(_info.StorePath.Digest), Is.Null);
        _instead = null;
        await front.AssertServesAsync(_info, _nar);
    }

    [Test]
    public async Task Upload_WithReferencesThatAreFar_IsTakenWithoutFetchingThem()
    {
        PathInfo referrer = await _source.AddAsync("referrer", await _source.AddFileAsync("x"u8.ToArray()), _info.StorePath);
        byte[] nar = await _source.RenderAsync(referrer.Node);
        string url = $"nar/{BinaryCacheFileName.FormatNar(referrer.NarHash)}";
        Assert.That((await _front.Server.PutAsync(url, nar)).IsSuccessStatusCode, Is.True);
        HttpResponseMessage put = await _front.Server.PutAsync($"{referrer.StorePath.Digest}.narinfo", referrer.ToNarInfo(url).ToUtf8());
        Assert.That(put.IsSuccessStatusCode, Is.True, await put.Content.ReadAsStringAsync());
        Assert.That(await _front.Near.PathInfos.GetAsync(referrer.StorePath.Digest), Is.EqualTo(referrer));
        Assert.That(UpstreamNars, Is.Zero);

        StorePath refused = new(new StorePathDigest(new byte[20]), "refused");
        _files[$"{refused.Digest}.narinfo"] = "bad"u8.ToArray();
        foreach (StorePath missing in (StorePath[])[refused, new StorePath(SamplePath("nowhere"), "nowhere")])
        {
            PathInfo lost = await _source.AddAsync("lost", await _source.AddFileAsync("y"u8.ToArray()), missing);
            nar = await _source.RenderAsync(lost.Node);
            url = $"nar/{BinaryCacheFileName.FormatNar(lost.NarHash)}";
            Assert.That((await _front.Server.PutAsync(url, nar)).IsSuccessStatusCode, Is.True);
            HttpResponseMessage answer = await _front.Server.PutAsync($"{lost.StorePath.Digest}.narinfo", lost.ToNarInfo(url).ToUtf8());
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
            Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain(missing.Name));
        }
    }

    [Test]
    public async Task OurServer_InFrontOfOurServer_ServesTheSame()
    {
        string address = $"cache:?near=memory:&far={Uri.EscapeDataString($"nix+http://127.0.0.1:{_source.Port}")}";
        await using TvixStore store = TvixStore.Open(address);
        await using CacheServer front = await CacheServer.StartAsync(store);
        string narInfoUrl = $"{_info.StorePath.Digest}.narinfo";
        NarInfo narInfo = NarInfo.Parse(await front.Client.GetByteArrayAsync(narInfoUrl));
        Assert.That((await front.HeadAsync(narInfo.Url)).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(_source.Log, Has.None.Contain("/nar/"));
        Assert.That(await front.Client.GetByteArrayAsync(narInfo.Url), Is.EqualTo(_nar));
        Assert.That(await store.PathInfos.GetAsync(_info.StorePath.Digest), Is.EqualTo(_info));

        // From now on it says where the tree is, as for anything else that it has.
        narInfo = NarInfo.Parse(await front.Client.GetByteArrayAsync(narInfoUrl));
        Assert.That(narInfo.Url, Does.StartWith("nar/tvix-castore/"));
        Assert.That(await front.Client.GetByteArrayAsync(narInfo.Url), Is.EqualTo(_nar));
        Assert.That(_source.Log.Count(line => line.Contains("GET /nar/", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(front.Log.Concat(_source.Log).Where(line => line.StartsWith("Error", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal)), Is.Empty);
    }

    private int UpstreamNars => _upstream.Requests.Count(request => request.Path.StartsWith("/nar/", StringComparison.Ordinal));

    private static StorePathDigest SamplePath(string name) => new(Sha256Digest.Compute(System.Text.Encoding.UTF8.GetBytes(name)).ToByteArray().AsSpan(0, 20));

    private static bool IsNar(HttpContext http) => http.Request.Path.StartsWithSegments("/nar");

    private async Task AnswerAsync(HttpContext http, int number)
    {
        byte[]? bytes = _files.GetValueOrDefault(((string?)http.Request.Path)![1..]);
        if (_instead is not null && await _instead(http, bytes))
        {
            return;
        }

        if (bytes is null)
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        http.Response.ContentLength = bytes.Length;
        await http.Response.Body.WriteAsync(bytes);
    }

    private void Publish(PathInfo info, byte[] file, bool signed = false, ulong? narSize = null, StorePath? path = null)
    {
        string url = $"nar/{info.StorePath.Digest}.nar";
        PathInfo said = info with { StorePath = path ?? info.StorePath, NarSize = narSize ?? info.NarSize };
        said = said with { Signatures = signed ? [Front.Key.Sign(said.ToNarInfo(url).GetFingerprint())] : [] };
        _files[$"{info.StorePath.Digest}.narinfo"] = said.ToNarInfo(url).ToUtf8();
        _files[url] = file;
    }

    private void PublishWrong(string how, PathInfo info)
    {
        byte[] altered = [.. _nar];
        altered[altered.AsSpan().IndexOf("#!/bin/sh"u8)] ^= 1;
        switch (how)
        {
            case "corrupted":
                Publish(info, altered, signed: true);
                break;
            case "too long":
                Publish(info, [.. _nar, .. new byte[8]], signed: true);
                break;
            case "too short":
                Publish(info, _nar[..^8], signed: true);
                break;
            case "no NAR":
                Publish(info, "<html>please sign in</html>"u8.ToArray(), signed: true);
                break;
            case "missing":
                _files.TryRemove($"nar/{info.StorePath.Digest}.nar", out _);
                break;
            case "narinfo of another path":
                Publish(info, _nar, signed: true, path: _info.StorePath);
                break;
            case "narinfo malformed":
                _files[$"{info.StorePath.Digest}.narinfo"] = "bad"u8.ToArray();
                break;
            case "narinfo unsigned":
                Publish(info, _nar, signed: false);
                break;
            case "narinfo of a huge NAR":
                Publish(info, _nar, signed: true, narSize: ulong.MaxValue);
                break;
            default:
                bool ofNarInfo = how.StartsWith("narinfo", StringComparison.Ordinal);
                _instead = async (http, bytes) =>
                {
                    if (IsNar(http) == ofNarInfo)
                    {
                        return false;
                    }

                    if (how.EndsWith("500", StringComparison.Ordinal))
                    {
                        http.Response.StatusCode = StatusCodes.Status500InternalServerError;
                    }
                    else if (how == "cut" || how.EndsWith("middle", StringComparison.Ordinal))
                    {
                        await ScriptedServer.SendPartAsync(http, bytes!, 0, bytes!.Length - 1);
                    }

                    if (how.Contains("hang", StringComparison.Ordinal))
                    {
                        await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
                    }

                    return true;
                };
                break;
        }
    }

    private async Task<NarInfo> NarInfoAsync(PathInfo info) => NarInfo.Parse(await _front.Server.Client.GetByteArrayAsync($"{info.StorePath.Digest}.narinfo"));

    /// <summary>A binary cache in front of another one.</summary>
    private sealed class Front : IAsyncDisposable
    {
        private readonly HttpBinaryCacheFiles _files;

        private Front(HttpBinaryCacheFiles files, CacheServer server, TvixStore near, ManualTime time)
        {
            _files = files;
            Server = server;
            Near = near;
            Time = time;
        }

        public static SigningKey Key { get; } = SigningKey.Generate("test-1");

        public CacheServer Server { get; }

        public TvixStore Near { get; }

        public ManualTime Time { get; }

        public static async Task<Front> StartAsync(Uri upstream, TrustedKeys? trustedKeys = null, TimeSpan? timeout = null)
        {
            HttpBinaryCacheFiles files = new(upstream, new HttpBinaryCacheOptions
            {
                Retries = 1, RetryDelay = TimeSpan.FromMilliseconds(1), Timeout = timeout ?? TimeSpan.FromMilliseconds(500), BreakDuration = TimeSpan.Zero,
            });
            ManualTime time = new();
            TvixStore near = CacheServer.NewStore();
            BinaryCache cache = new(files, new BinaryCacheOptions { TrustedKeys = trustedKeys, TimeProvider = time });
            CachingPathInfoService pathInfos = new(near.PathInfos, new BinaryCachePathInfoService(cache, near.Blobs, near.Directories));
            return new Front(files, await CacheServer.StartAsync(new TvixStore(near.Blobs, near.Directories, pathInfos)), near, time);
        }

        /// <summary>Serves a path as any client gets it, after which it is near.</summary>
        public async Task AssertServesAsync(PathInfo info, byte[] nar)
        {
            NarInfo narInfo = NarInfo.Parse(await Server.Client.GetByteArrayAsync($"{info.StorePath.Digest}.narinfo"));
            Assert.That((narInfo.StorePath, narInfo.NarHash), Is.EqualTo((info.StorePath, info.NarHash)));
            Assert.That(await Server.Client.GetByteArrayAsync(narInfo.Url), Is.EqualTo(nar));
            Assert.That((await Near.PathInfos.GetAsync(info.StorePath.Digest))?.Node, Is.EqualTo(info.Node));
        }

        public async ValueTask DisposeAsync()
        {
            await Server.DisposeAsync();
            _files.Dispose();
        }
    }

    /// <summary>A clock that the test moves.</summary>
    private sealed class ManualTime : TimeProvider
    {
        private DateTimeOffset _now = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => _now;

        public void Advance(TimeSpan time) => _now += time;
    }
}
