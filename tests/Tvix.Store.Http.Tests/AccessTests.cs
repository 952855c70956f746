using System.Net;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Access;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Tests;

/// <summary>What tokens open.</summary>
[TestFixture]
public sealed class AccessTests
{
    private const string Reader = "Bearer reader-0123456789";
    private const string Stranger = "Bearer stranger-0123456789";
    private const string Nobody = "";
    private static readonly string s_writer = Basic("any:writer-0123456789");

    private static readonly string[] s_reads =
    [
        "nix-cache-info", "00000000000000000000000000000000.narinfo", "00000000000000000000000000000000.ls", "nar/x.nar", "nar/tvix-castore/x?narsize=1", "nar/snix-castore/x?narsize=1",
        "log/x", "realisations/x", "build-trace-v2/x", "debuginfo/x",
        "", "?q=x", "path/x", "style.css", "icon.svg",
    ];

    private static readonly string[] s_writes = ["log/x", "realisations/x", "build-trace-v2/x", "debuginfo/x"];

    [TestCase(false, Nobody, 401, 401)]
    [TestCase(false, Stranger, 401, 401)]
    [TestCase(false, Reader, 0, 403)]
    [TestCase(true, Nobody, 0, 401)]
    [TestCase(true, Stranger, 401, 401)]
    [TestCase(true, Reader, 0, 403)]
    public Task Request_WithAToken_IsLetThroughOrNot(bool publicRead, string authorization, int read, int write) => CheckAsync(publicRead, authorization, read, write);

    [Test]
    public async Task Request_WithTheTokenAsPassword_IsLetThrough()
    {
        await CheckAsync(false, s_writer, 0, 0);
        await CheckAsync(false, Basic("reader-0123456789"), 401, 401); // no colon, so no password
        await CheckAsync(false, "Basic !", 401, 401);
        await CheckAsync(false, "Negotiate writer-0123456789", 401, 401);
    }

    [Test]
    public async Task Request_ToAReadOnlyCache_CannotWrite()
    {
        await using CacheServer server = await CacheServer.StartAsync(options: new NixBinaryCacheOptions { IsReadOnly = true });
        foreach (string path in s_writes)
        {
            Assert.That((int)(await server.PutAsync(path, new byte[1])).StatusCode, Is.EqualTo(403), path);
        }

        Assert.That((await server.GetAsync("nix-cache-info")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Log_OfRequests_HasTheNameOfTheTokenAndNoSecret()
    {
        await using CacheServer server = await StartAsync(publicRead: false);
        await server.GetAsync("nix-cache-info", ("Authorization", Reader));
        await server.GetAsync("log/a%0Ab", ("Authorization", s_writer));
        Assert.That(server.Log, Has.Some.Contain("GET /nix-cache-info 200").And.Some.Contain("token alice"));
        Assert.That(server.Log, Has.Some.Contain("GET /log/a%0Ab 404"));
        Assert.That(server.Log, Has.None.Contain("0123456789"));
    }

    private static async Task CheckAsync(bool publicRead, string authorization, int read, int write)
    {
        await using CacheServer server = await StartAsync(publicRead);
        PathInfo info = await server.AddAsync("x", new Node.Symlink(new SymlinkTarget("x")));
        (string, string)[] headers = authorization.Length > 0 ? [("Authorization", authorization)] : [];
        foreach (string path in s_reads.Append($"{info.StorePath.Digest}.narinfo"))
        {
            Check(await server.GetAsync(path, headers), read, path);
            Check(await server.HeadAsync(path, headers), read, path);
        }

        foreach (string path in s_writes)
        {
            Check(await server.PutAsync(path, new byte[10], headers), write, path);
        }
    }

    private static void Check(HttpResponseMessage response, int refused, string path)
    {
        if (refused > 0)
        {
            Assert.That((int)response.StatusCode, Is.EqualTo(refused), path);
        }
        else
        {
            Assert.That((int)response.StatusCode, Is.Not.EqualTo(401).And.Not.EqualTo(403), path);
        }

        Assert.That(response.Headers.WwwAuthenticate.Select(challenge => challenge.Scheme), Is.EqualTo((string[])(refused == 401 ? ["Basic", "Bearer"] : [])), path);
    }

    private static Task<CacheServer> StartAsync(bool publicRead)
    {
        AccessTokens tokens = AccessTokens.Parse("read reader-0123456789 alice\nwrite writer-0123456789 bob\n");
        return CacheServer.StartAsync(options: new NixBinaryCacheOptions { Access = new AccessPolicy { Tokens = () => tokens, PublicRead = publicRead } });
    }

    private static string Basic(string credentials) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials));
}
