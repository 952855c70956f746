using System.Globalization;
using System.Net;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

/// <summary>Parts of a NAR of several megabytes from an embedded store.</summary>
[TestFixture]
public sealed class RangeTests
{
    private const string LastModified = "Thu, 01 Jan 1970 00:00:01 GMT";

    private TempFolder _folder = null!;
    private LocalStore _local = null!;
    private CacheServer _server = null!;
    private byte[] _nar = null!;
    private string _path = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        _local = new LocalStore(_folder["store"]);
        _server = await CacheServer.StartAsync(new TvixStore(_local.Blobs, _local.Directories, new MemoryPathInfoService()));
        byte[] bytes = new byte[3_000_000];
        new Random(11).NextBytes(bytes);
        CastoreDirectory root = CastoreDirectory.FromEntries(
        [
            new DirectoryEntry(new PathComponent("large"u8), await _server.AddFileAsync(bytes)),
            new DirectoryEntry(new PathComponent("other"u8), await _server.AddFileAsync(bytes[..1_000_001])),
            new DirectoryEntry(new PathComponent("tree"u8), await _server.AddTreeAsync()),
        ]);
        await _server.Store.Directories.PutAsync(root);
        _nar = await _server.RenderAsync(root.ToNode());
        _path = BinaryCacheFileName.FormatCastoreNar(root.ToNode(), (ulong)_nar.Length);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        await _local.DisposeAsync();
        _folder.Dispose();
    }

    [FsCheck.NUnit.Property(MaxTest = 60, Replay = "(12,13)")]
    public void Range_OfALargeNar_EqualsTheSlice(uint a, uint b)
    {
        int from = (int)(a * 2654435761L % _nar.Length);
        int to = from + (int)(b * 2654435761L % (_nar.Length - from));
        using HttpResponseMessage response = _server.GetAsync(_path, ("Range", $"bytes={from}-{to}")).GetAwaiter().GetResult();
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.PartialContent));
        Assert.That(response.Content.Headers.ContentLength, Is.EqualTo(to - from + 1));
        Assert.That(response.Content.ReadAsByteArrayAsync().GetAwaiter().GetResult().AsSpan().SequenceEqual(_nar.AsSpan(from..(to + 1))));
    }

    [FsCheck.NUnit.Property(MaxTest = 60, Replay = "(14,15)")]
    public void Ranges_Several_EqualTheSlices(int seed)
    {
        Random random = new(seed);
        int count = 2 + random.Next(ByteRange.MaxCount - 1);
        int[] ends = [.. Enumerable.Range(0, 2 * count).Select(_ => random.Next(_nar.Length - 400)).Order()];
        (int From, int To)[] parts = [.. Enumerable.Range(0, count).Select(i => (ends[2 * i] + (200 * i / count), ends[(2 * i) + 1] + (200 * i / count)))];
        if (parts.Zip(parts.Skip(1)).Any(pair => pair.Second.From - pair.First.To < 300))
        {
            return; // put together, which is tested by itself
        }

        random.Shuffle(parts);
        using HttpResponseMessage response =
            _server.GetAsync(_path, ("Range", "bytes=" + string.Join(", ", parts.Select(part => $"{part.From}-{part.To}")))).GetAwaiter().GetResult();
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.PartialContent));
        Assert.That(response.Content.Headers.ContentRange, Is.Null);
        byte[] body = response.Content.ReadAsByteArrayAsync().GetAwaiter().GetResult();
        Assert.That(response.Content.Headers.ContentLength, Is.EqualTo(body.Length));
        List<(string Head, byte[] Bytes)> read = ReadMultipart(response.Content.Headers.ContentType!.ToString(), body);
        Assert.That(read.Select(part => part.Head), Is.EqualTo(parts.Select(part =>
            $"Content-Type: application/x-nix-nar\r\nContent-Range: bytes {part.From}-{part.To}/{_nar.Length}")));
        foreach (((string head, byte[] bytes), (int from, int to)) in read.Zip(parts))
        {
            Assert.That(bytes.AsSpan().SequenceEqual(_nar.AsSpan(from..(to + 1))), Is.True, head);
        }
    }

    [TestCase("bytes=0-9,5-14", "0-14")] // overlapping
    [TestCase("bytes=0-9,10-19", "0-19")] // touching
    [TestCase("bytes=100-199,0-9", "0-199")] // with a gap that is shorter than what would stand between them
    [TestCase("bytes=8-15,99999999-", "8-15")] // with nothing of the other
    public async Task Ranges_ThatAreOneTogether_AreSentAsOne(string header, string expected)
    {
        HttpResponseMessage response = await _server.GetAsync(_path, ("Range", header));
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.PartialContent));
        Assert.That(response.Content.Headers.ContentRange!.ToString(), Is.EqualTo($"bytes {expected}/{_nar.Length}"));
        int[] ends = [.. expected.Split('-').Select(end => int.Parse(end, CultureInfo.InvariantCulture))];
        Assert.That(await response.Content.ReadAsByteArrayAsync(), Is.EqualTo(_nar[ends[0]..(ends[1] + 1)]));
    }

    [TestCase("bytes=0-9,1-9,2-9")] // more than two overlap
    [TestCase("bytes=0-0,1000-1000,2000-2000,3000-3000,4000-4000,5000-5000,6000-6000,7000-7000,8000-8000,9000-9000,10000-10000,11000-11000,12000-12000,13000-13000,14000-14000,15000-15000,16000-16000")]
    public async Task Ranges_ThatNobodyNeeds_GiveTheWhole(string header)
    {
        HttpResponseMessage response = await _server.GetAsync(_path, ("Range", header));
        Assert.That((response.StatusCode, response.Content.Headers.ContentLength), Is.EqualTo((HttpStatusCode.OK, (long?)_nar.Length)));
    }

    [Test]
    public async Task Ranges_BeyondTheEnd_CannotBeSatisfied()
    {
        HttpResponseMessage response = await _server.GetAsync(_path, ("Range", $"bytes={_nar.Length}-,{_nar.Length + 5}-{_nar.Length + 9},-0"));
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.RequestedRangeNotSatisfiable));
        Assert.That(response.Content.Headers.ContentRange!.ToString(), Is.EqualTo($"bytes */{_nar.Length}"));
        Assert.That(response.Content.Headers.LastModified, Is.Null);
    }

    [TestCase(LastModified, HttpStatusCode.PartialContent)]
    [TestCase("Thu, 01 Jan 1970 00:00:02 GMT", HttpStatusCode.OK)]
    [TestCase("Thu, 01 Jan 1970 00:00:00 GMT", HttpStatusCode.OK)]
    public async Task Range_IfTheDateIsTheSame(string date, HttpStatusCode status) =>
        Assert.That((await _server.GetAsync(_path, ("Range", "bytes=8-15"), ("If-Range", date))).StatusCode, Is.EqualTo(status));

    [TestCase(LastModified, HttpStatusCode.NotModified)]
    [TestCase("Sun, 06 Nov 1994 08:49:37 GMT", HttpStatusCode.NotModified)]
    [TestCase("Thu, 01 Jan 1970 00:00:00 GMT", HttpStatusCode.OK)]
    [TestCase("nonsense", HttpStatusCode.OK)]
    public async Task Nar_IfModifiedSince(string date, HttpStatusCode status)
    {
        Assert.That((await _server.HeadAsync(_path, ("If-Modified-Since", date))).StatusCode, Is.EqualTo(status));
        Assert.That((await _server.HeadAsync(_path, ("If-Modified-Since", date), ("If-None-Match", "\"x\""))).StatusCode, Is.EqualTo(HttpStatusCode.OK), "the tag counts");
    }

    [Test]
    public async Task Nar_HasADate() =>
        Assert.That((await _server.HeadAsync(_path)).Content.Headers.LastModified, Is.EqualTo(DateTimeOffset.UnixEpoch.AddSeconds(1)));

    private static List<(string Head, byte[] Bytes)> ReadMultipart(string contentType, byte[] body)
    {
        const string Prefix = "multipart/byteranges; boundary=";
        Assert.That(contentType, Does.StartWith(Prefix));
        byte[] delimiter = Encoding.ASCII.GetBytes("\r\n--" + contentType[Prefix.Length..]);
        ReadOnlySpan<byte> rest = (byte[])[.. "\r\n"u8, .. body];
        List<(string Head, byte[] Bytes)> parts = [];
        Assert.That(rest.StartsWith(delimiter));
        rest = rest[delimiter.Length..];
        while (rest.StartsWith("\r\n"u8))
        {
            int end = rest.IndexOf("\r\n\r\n"u8);
            int next = rest.IndexOf(delimiter);
            parts.Add((Encoding.ASCII.GetString(rest[2..end]), rest[(end + 4)..next].ToArray()));
            rest = rest[(next + delimiter.Length)..];
        }

        Assert.That(rest.SequenceEqual("--\r\n"u8));
        return parts;
    }
}
