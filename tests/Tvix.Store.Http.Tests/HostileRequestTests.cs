using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Routing;
using NUnit.Framework;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

/// <summary>Requests that are made to do harm: each is refused with a reason, stores nothing, and is no failure of the server, which is asked through all endpoints that are mapped.</summary>
[TestFixture]
public sealed class HostileRequestTests
{
    private const string Hash32 = "00000000000000000000000000000000";
    private static readonly string s_hash52 = new('0', 52);

    /// <summary>What stands where a name should be.</summary>
    private static readonly string[] s_names =
    [
        "..%2f..%2f..%2fetc%2fpasswd", "..%5c..%5cetc%5cpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%252e%252e%252fetc", "..;/..;/etc", "../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd",
        "/etc/passwd", "%00", "a%00b", "%0d%0aSet-Cookie:%20a=b", "%ff%fe", "%c0%ae%c0%ae%2f", "%", "%zz", "%u002e", "<script>alert(1)</script>", "'%20OR%201=1--", "${jndi:ldap:x}", "{hash}", "*", "~root",
        "con", "%20", "%e2%80%ae", "a//b", "a/./b", "?", "#", new string('a', 7000), string.Concat(Enumerable.Repeat("a/", 3000)), string.Concat(Enumerable.Repeat("%2e%2e/", 300)),
        Hash32, s_hash52 + ".nar", Hash32 + "-x/" + new string('a', 300),
    ];

    private static readonly string[] s_queries =
    [
        "", "?narsize=-1", "?narsize=99999999999999999999999", "?narsize=1&narsize=2", "?narsize=%00", "?path=../../etc", "?path=%00", "?q=%00%ff", "?q=" + "%3Cscript%3E", "?after=%00&before=..", "?page=-1",
        "?page=99999999999", "?page=2147483647", "?view=../..", "?" + new string('&', 1000), "?" + string.Join('&', Enumerable.Range(0, 1000).Select(i => $"a{i}=b")),
    ];

    private static readonly string[] s_headers =
    [
        "Range: bytes=-0", "Range: bytes=9999999999999999999-", "Range: bytes=5-1", "Range: bytes=0-99999999999999999999999", "Range: bytes=-9223372036854775808", "Range: lines=1-2",
        "Range: bytes=" + string.Join(',', Enumerable.Range(0, 2000).Select(i => $"{i}-{i}")), "Range: bytes=0-0\r\nRange: bytes=1-1", "If-None-Match: " + new string('"', 5000), "If-None-Match: \"", "If-Range: \0",
        "If-Range: W/\"x", "If-Modified-Since: yesterday", "Authorization: Basic " + new string('=', 5000), "Authorization: Bearer \x01", "Content-Encoding: ../../etc", "Content-Encoding: gzip, gzip, gzip",
        "Content-Type: text/html; charset=\xff", "Content-Type: " + new string('x', 5000), "Accept-Encoding: " + new string(',', 5000), "Cookie: " + new string(';', 5000), "Host: evil/../..", "X: " + new string('x', 40_000),
        "Transfer-Encoding: chunked, gzip", "Transfer-Encoding: identity", "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: 1\r\nContent-Length: 2", "Expect: 200-nonsense", "Upgrade: h2c",
        " folded: x", "no colon", ": no name", "Na me: x",
    ];

    private CacheServer _server = null!;
    private TempFolder _folder = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        _server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions
        {
            KeptFilesFolder = _folder["in/files"],
            UploadFolder = _folder["in/uploads"],
            MaxNarSize = 2 << 20,
            MaxNarInfoSize = 64 << 10,
            MaxKeptFileSize = 1 << 20,
        });
    }

    [TearDown]
    public async Task StopAsync()
    {
        using TempFolder folder = _folder;
        await _server.DisposeAsync();
        Assert.That(_server.Log.Where(IsFailure), Is.Empty);
        Assert.That(_server.Log.Where(line => line.Contains(" ms for ", StringComparison.Ordinal) && line.Any(char.IsControl)), Is.Empty, "nobody writes lines of the log");
        await foreach (PathInfo info in _server.Store.PathInfos.ListAsync())
        {
            Assert.Fail($"{info} was stored.");
        }

        // What is kept as it comes may have any name, but only its hash becomes that of a file.
        string[] files = [.. Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder.Path, file))];
        Assert.That(files.Where(file => !(Path.GetDirectoryName(file) == "in/files" && Sha256Digest.TryParseNixBase32(Path.GetFileName(file), out _))), Is.Empty);
    }

    [Test]
    public async Task AnyEndpoint_WithAnyName_Refuses([ValueSource(nameof(s_names))] string name)
    {
        foreach (string target in Targets(name))
        {
            foreach (string method in (string[])["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
            {
                await AskAsync($"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 7\r\n\r\n", target, ["garbage"u8.ToArray()]);
            }
        }
    }

    [Test]
    public async Task AnyEndpoint_WithAnyQuery_Refuses([ValueSource(nameof(s_queries))] string query)
    {
        foreach (string target in Targets("x").Concat(Targets(Hash32)).Concat(Targets(Hash32 + "-x")).Concat(Targets(s_hash52 + ".nar")).Distinct())
        {
            await AskAsync($"GET {target}{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target + query);
        }
    }

    [Test]
    public async Task AnyEndpoint_WithAnyHeader_Refuses([ValueSource(nameof(s_headers))] string header)
    {
        foreach (string target in Targets("x").Concat(Targets(s_hash52 + ".nar")).Append("/?q=x").Distinct())
        {
            foreach (string method in (string[])["GET", "HEAD", "PUT"])
            {
                await AskAsync($"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n", $"{method} {target} {header}");
            }
        }
    }

    [TestCase("", "no line at all")]
    [TestCase("GET", "half a line")]
    [TestCase("GET /nix-cache-info\r\n\r\n", "no version")]
    [TestCase("GET /nix-cache-info HTTP/9.9\r\nHost: x\r\n\r\n", "a version of the future")]
    [TestCase("GET /nix-cache-info HTTP/1.1\r\n\r\n", "no host")]
    [TestCase("GET  HTTP/1.1\r\nHost: x\r\n\r\n", "no target")]
    [TestCase("GET nix-cache-info HTTP/1.1\r\nHost: x\r\n\r\n", "a target without a slash")]
    [TestCase("GET /path/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", "bytes")]
    [TestCase("GET /\xc3\xa4?\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", "letters")]
    [TestCase("GET http://other:99/path/../../x HTTP/1.1\r\nHost: x\r\n\r\n", "an absolute target")]
    [TestCase("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", "a proxy")]
    [TestCase("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "a star")]
    [TestCase("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS")]
    [TestCase("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2")]
    [TestCase("PUT /log/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no length of a chunk")]
    [TestCase("PUT /log/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", "a long chunk")]
    [TestCase("PUT /log/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n", "a chunk with more than it says")]
    [TestCase("PUT /log/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "a chunk with less than it says")]
    [TestCase("PUT /log/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz\r\n", "two lengths")]
    [TestCase("PUT /log/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", "a body that is too short")]
    [TestCase("PUT /00000000000000000000000000000000.narinfo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nStorePath: ", "a narinfo that is too short")]
    [TestCase("PUT /00000000000000000000000000000000.ls HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", "a listing that is too short")]
    [TestCase("PUT /nar/0000000000000000000000000000000000000000000000000000.nar HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n\r\0\0\0\0\0\0\0nix-arc", "a NAR that is too short")]
    [TestCase("PUT /nar/0000000000000000000000000000000000000000000000000000.nar.xz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n\xfd7zXZ\0\r\n", "a file that is too short")]
    public async Task Server_SentWhatIsNoRequest_Refuses(string request, string what)
    {
        (int status, string body) = await RawRequest.SendAsync(_server.Port, request, thenShut: true);
        Assert.That(status, Is.Zero.Or.InRange(200, 499).Or.EqualTo(505), $"{what}: {body}");
        Assert.That(status is 0 or >= 400 || !what.Contains("too short", StringComparison.Ordinal), what);
    }

    [Test]
    public async Task AnyUpload_ThatDoesNotEnd_IsRefused()
    {
        foreach (RouteEndpoint endpoint in _server.Endpoints.Where(endpoint => MethodsOf(endpoint).Contains("PUT")))
        {
            foreach (string name in (string[])[Hash32, s_hash52 + ".nar", s_hash52 + ".nar.zst", s_hash52 + ".nar.br", "x"])
            {
                string target = Fill(endpoint, name);
                (int status, string body) = await RawRequest.SendAsync(_server.Port, $"PUT {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", RawRequest.Chunks(80));
                CheckRefused(status, body, target);
                (status, body) = await RawRequest.SendAsync(_server.Port, $"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n", Enumerable.Repeat(new byte[1 << 20], 80));
                CheckRefused(status, body, target);
            }
        }
    }

    [Test]
    public async Task AnyUpload_ThatBringsNothingMore_IsEnded()
    {
        await using CacheServer server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions { UploadPatience = TimeSpan.FromSeconds(1.1), KeptFilesFolder = _folder["in/files"] });
        string[] targets = [.. _server.Endpoints.Where(endpoint => MethodsOf(endpoint).Contains("PUT")).SelectMany(endpoint => (string[])[Fill(endpoint, Hash32), Fill(endpoint, s_hash52 + ".nar")]).Distinct()];
        (string, (int, string))[] answers = await Task.WhenAll(targets.Select(async target =>
            (target, await RawRequest.SendAsync(server.Port, $"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", ["\r\0\0\0\0\0\0\0nix-"u8.ToArray()]))));
        foreach ((string target, (int status, string body)) in answers)
        {
            CheckRefused(status, body, target);
        }

        Assert.That(answers.Count(answer => answer.Item2.Item1 == 408), Is.GreaterThan(5));
        Assert.That(server.Log.Where(IsFailure), Is.Empty);
    }

    [Test]
    public async Task AnyUpload_WhoseClientGoesAway_IsForgotten()
    {
        string[] targets = [.. _server.Endpoints.Where(endpoint => MethodsOf(endpoint).Contains("PUT")).SelectMany(endpoint => (string[])[Fill(endpoint, Hash32), Fill(endpoint, s_hash52 + ".nar")])];
        foreach (string target in targets)
        {
            using TcpClient client = new();
            await client.ConnectAsync(System.Net.IPAddress.Loopback, _server.Port);
            client.LingerState = new LingerOption(true, 0); // closed with a reset
            await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes($"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n\r\0\0\0\0\0\0\0nix-archive-1\0\0\0"));
        }

        // The answers to later requests come after the resets.
        Assert.That((await _server.GetAsync("nix-cache-info")).IsSuccessStatusCode);
        await _server.WaitForLogAsync(log => log.Count(line => line.Contains("PUT", StringComparison.Ordinal) && line.Contains(" in ", StringComparison.Ordinal)) >= targets.Length);
    }

    public static IEnumerable<TestCaseData> Nars()
    {
        byte[] magic = [.. Word("nix-archive-1"u8)];
        byte[] open = [.. Word("("u8), .. Word("type"u8), .. Word("directory"u8), .. Word("entry"u8), .. Word("("u8), .. Word("name"u8), .. Word("a"u8), .. Word("node"u8)];
        byte[] file = [.. Word("("u8), .. Word("type"u8), .. Word("regular"u8), .. Word("contents"u8)];
        yield return Case("folders in each other without end", [.. magic, .. Enumerable.Repeat(open, 15_000).SelectMany(piece => piece)]);
        foreach (ulong length in (ulong[])[ulong.MaxValue, long.MaxValue, 1UL << 60, (1UL << 32) + 1, uint.MaxValue, int.MaxValue, 256])
        {
            byte[] bytes = new byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
            yield return Case($"a word of {length}", bytes);
            yield return Case($"a name of {length}", [.. magic, .. open[..^(16 + 16)], .. bytes, .. new byte[4096]]);
            yield return Case($"a file of {length}", [.. magic, .. file, .. bytes, .. new byte[4096]]);
            yield return Case($"a target of {length}", [.. magic, .. Word("("u8), .. Word("type"u8), .. Word("symlink"u8), .. Word("target"u8), .. bytes, .. new byte[8192]]);
        }

        foreach (string name in (string[])["", ".", "..", "a/b", "/", "a\0b", new string('a', 256), "../../etc/passwd"])
        {
            yield return Case($"the name {name}", [.. magic, .. open[..^(16 + 16)], .. Word(Encoding.Latin1.GetBytes(name)), .. Word("node"u8), .. file, .. Word("x"u8), .. End(2), .. End(1)]);
        }

        byte[] entry = [.. Word("entry"u8), .. Word("("u8), .. Word("name"u8), .. Word("a"u8), .. Word("node"u8), .. file, .. Word("x"u8), .. End(2)];
        yield return Case("a name twice", [.. magic, .. Word("("u8), .. Word("type"u8), .. Word("directory"u8), .. entry, .. entry, .. End(1)]);
        yield return Case("zeros", new byte[1 << 20]);
        yield return Case("two NARs", [.. magic, .. file, .. Word("x"u8), .. End(1), .. magic, .. file, .. Word("x"u8), .. End(1)]);
        yield return Case("padding that is not zero", [.. magic[..^1], 1, .. file, .. Word("x"u8), .. End(1)]);

        // Within the limits as a file, but not as a NAR.
        byte[] large = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(large, 200 << 20);
        yield return Case("a bomb", [.. magic, .. file, .. large, .. new byte[200 << 20], .. End(1)], 413);

        static TestCaseData Case(string what, byte[] nar, int status = 400) => new TestCaseData(nar, status).SetArgDisplayNames(what.Length > 60 ? what[..60] : what.Replace('\0', '0'));

        static byte[] Word(ReadOnlySpan<byte> text)
        {
            byte[] word = new byte[8 + ((text.Length + 7) / 8 * 8)];
            BinaryPrimitives.WriteInt64LittleEndian(word, text.Length);
            text.CopyTo(word.AsSpan(8));
            return word;
        }

        static byte[] End(int count) => [.. Enumerable.Repeat(Word(")"u8), count).SelectMany(word => word)];
    }

    [TestCaseSource(nameof(Nars))]
    public async Task PutNar_ThatIsHostile_IsRefused(byte[] nar, int expected)
    {
        foreach ((string compression, string suffix) in ((string, string)[])[("none", ""), ("gzip", ""), ("gzip", ".gz"), ("zstd", ".zst"), ("br", ".br")])
        {
            byte[] file = Compressed.Of(nar, compression);
            string target = $"/nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(file), suffix)}";
            (int status, string body) = await RawRequest.SendAsync(_server.Port, $"PUT {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", InChunks(file));
            CheckRefused(status, body, $"{target} {compression}");
            Assert.That(status, Is.EqualTo(expected).Or.EqualTo(file.Length > (2 << 20) ? 413 : expected), $"{compression} {body}");
            Assert.That((await _server.HeadAsync(target)).IsSuccessStatusCode, Is.False);
        }
    }

    [TestCase("xz", ".xz", "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj")]
    [TestCase("xz, with a dictionary of 4 GiB", ".xz", "/Td6WFoAAATm1rRGAgAhASgAAACjqqrq")]
    [TestCase("bzip2", ".bz2", "QlpoOTFBWSZTWQ==")]
    [TestCase("zstd, with a window of 2 GiB", ".zst", "KLUv/QCoAAAA")]
    [TestCase("zstd, with the longest window", ".zst", "KLUv/QD/AAAA")]
    [TestCase("gzip", "", "H4sIAP////8A/w==")]
    public async Task PutNar_WithADamagedStart_IsRefused(string what, string suffix, string base64)
    {
        byte[] file = [.. Convert.FromBase64String(base64), .. new byte[100_000]];
        string target = $"/nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(file), suffix)}";
        (int status, string body) = await RawRequest.SendAsync(_server.Port, $"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {file.Length}\r\n\r\n", [file]);
        CheckRefused(status, body, what);
    }

    [Test]
    public async Task PutNarInfo_ThatIsHostile_IsRefused()
    {
        string good = $"StorePath: /nix/store/{Hash32}-x\nURL: nar/{s_hash52}.nar\nCompression: none\nNarHash: sha256:{s_hash52}\nNarSize: 120\nReferences: \n";
        string[] texts =
        [
            "", "\0", "\n", "StorePath", good.Replace("-x", "-x\0"), good.Replace("-x", "-../../../etc/passwd"), good.Replace("-x", "-" + new string('x', 300)), good.Replace("120", "-1"),
            good.Replace("120", "18446744073709551616"), good.Replace("120", "18446744073709551615"), good.Replace("120", "1e9"), good.Replace("nar/", "../../../"), good.Replace("nar/", "http://other/"), good.Replace("nar/", "file:///etc/"),
            good.Replace("URL: ", "URL: \0"), good.Replace("URL: nar/", "URL: " + new string('/', 50_000)), good + "References: \n", good + string.Concat(Enumerable.Repeat($"Sig: k:{Convert.ToBase64String(new byte[64])}\n", 500)),
            good + "Sig: k:AAAA\n", good + "Sig: " + new string(':', 5000) + "\n", good + "Deriver: ../../etc/passwd\n", good + "Deriver: \0\n", good + "CA: text:sha256:0\n", good + "CA: fixed:r:sha512:" + new string('0', 10_000) + "\n",
            good.Replace("References: ", "References: " + string.Join(' ', Enumerable.Range(0, 1500).Select(i => $"{i:d32}-y"))), good.Replace("References: ", "References: \0"), good.Replace("References: ", "References: ../../etc/passwd"),
            good.Replace("\n", "\r\n"), good.Replace("\n", "\n\n"), good[..^1], good.Replace("sha256:", "md5:"), good + "System: \xff\n", good + "X: " + new string('x', 70_000), good, new string('\n', 60_000), new string('x', 60_000),
            string.Concat(Enumerable.Repeat("A: b\n", 10_000)), good.Replace("none", "lzma"), good.Replace("none", "\0"),
        ];
        foreach (string text in texts)
        {
            foreach (string encoding in (string[])["", "gzip", "br", "zstd"])
            {
                byte[] body = Compressed.Of(Encoding.Latin1.GetBytes(text), encoding);
                string header = encoding.Length == 0 ? "" : $"Content-Encoding: {encoding}\r\n";
                (int status, string answer) = await RawRequest.SendAsync(_server.Port, $"PUT /{Hash32}.narinfo HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {body.Length}\r\n\r\n", [body]);
                CheckRefused(status, answer, $"{encoding} {text[..Math.Min(text.Length, 100)]}");
            }
        }

        byte[] notEncoded = Encoding.ASCII.GetBytes(good);
        foreach (string encoding in (string[])["gzip", "br", "zstd", "xz", "bzip2", "compress", "../x", "\x01", "gzip, br"])
        {
            (int status, string answer) = await RawRequest.SendAsync(
                _server.Port, $"PUT /{Hash32}.narinfo HTTP/1.1\r\nHost: x\r\nContent-Encoding: {encoding}\r\nContent-Length: {notEncoded.Length}\r\n\r\n", [notEncoded]);
            Assert.That(status, Is.InRange(400, 499), $"{encoding} {answer}");
        }
    }

    /// <summary>Whether a line of the log tells of a failure. Kestrel may warn of a client that goes away while it reads the rest of a body that was refused.</summary>
    private static bool IsFailure(string line) =>
        line.StartsWith("Error", StringComparison.Ordinal)
        || line.StartsWith("Critical", StringComparison.Ordinal)
        || (line.Contains("Exception", StringComparison.Ordinal) && !line.StartsWith("Warning: Connection processing ended abnormally", StringComparison.Ordinal));

    private async Task AskAsync(string head, string what, IEnumerable<byte[]>? body = null)
    {
        (int status, string answer) = await RawRequest.SendAsync(_server.Port, head, body);
        Assert.That(status, Is.InRange(200, 499), $"{what[..Math.Min(what.Length, 200)]}: {answer}");
        Assert.That(answer, Does.Not.Contain("root:").And.Not.Contain("Exception").And.Not.Contain("   at "), what);
        Assert.That(answer, Does.Not.Contain("<script>"), what);
    }

    private static void CheckRefused(int status, string body, string what)
    {
        Assert.That(status, Is.InRange(400, 499), $"{what} {body}");
        Assert.That(body, Does.Match(@"\A[^\n]+\n\z"), $"{what}: a line that says why");
    }

    private string[] Targets(string name) => [.. _server.Endpoints.Select(endpoint => Fill(endpoint, name)).Distinct()];

    private static string Fill(RouteEndpoint endpoint, string name) =>
        "/" + System.Text.RegularExpressions.Regex.Replace(endpoint.RoutePattern.RawText!.TrimStart('/'), @"\{[^}]*\}", name.Replace("$", "$$"));

    private static IReadOnlyList<string> MethodsOf(RouteEndpoint endpoint) => endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods;

    private static IEnumerable<byte[]> InChunks(byte[] bytes)
    {
        for (int from = 0; from < bytes.Length; from += 64 << 10)
        {
            byte[] piece = bytes[from..Math.Min(bytes.Length, from + (64 << 10))];
            yield return [.. Encoding.ASCII.GetBytes($"{piece.Length:x}\r\n"), .. piece, .. "\r\n"u8];
        }

        yield return "0\r\n\r\n"u8.ToArray();
    }
}
