using System.Net;
using NUnit.Framework;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>Daemons whose store is a binary cache.</summary>
[TestFixture]
public sealed class BinaryCacheTests : DaemonFixture
{
    // Of a file with "Hello World!", as imported under the name hello.
    private const string Hash = "n4hss129xrln71w0nss39bcx6hzsh9bg";
    private const string NarName = "nar/0h40zg6hakjv951nyhdad7mv9za56m3za5gnpiw5s1hbwcxzdrq3.nar";

    [Test]
    public async Task Daemon_WithHttp_ServesWhatWasImportedAndSignsIt()
    {
        File.WriteAllText(At("hello"), "Hello World!");
        await SucceedAsync("import", At("hello"));
        File.WriteAllText(At("key"), "do.not.use:sGPzxuK5WvWPraytx+6sjtaff866sYlfvErE6x0hFEhy5eqe7OVZ8ZMqZ/ME/HaRdKGNGvJkyGKXYTaeA6lR3A==\n");
        await using DaemonProcess daemon = await StartAsync("--http", "127.0.0.1:0", "--http-key", At("key"), "--port-file", At("port"));
        using HttpClient client = new() { BaseAddress = new Uri(await daemon.AddressAsync()) };
        Assert.That(client.BaseAddress.Port, Is.EqualTo(int.Parse(File.ReadAllLines(At("port")).Single())), "and nothing else is open");
        Assert.That(await client.GetStringAsync("nix-cache-info"), Does.StartWith("StoreDir: /nix/store\n"));
        string narInfo = await client.GetStringAsync(Hash + ".narinfo");
        Assert.That(narInfo, Does.Contain("Sig: do.not.use:"));
        string url = narInfo.Split('\n').Single(line => line.StartsWith("URL: ", StringComparison.Ordinal))[5..];
        Assert.That(await client.GetByteArrayAsync(url), Has.Length.EqualTo(128));
        await daemon.WaitForAsync($"GET /{Hash}.narinfo 200 in ");
        await daemon.StopAsync();
    }

    [Test]
    public async Task Daemon_WithAPublicAddress_LetsEverybodyReadThereAndNobodyWrite()
    {
        File.WriteAllText(At("hello"), "Hello World!");
        await SucceedAsync("import", At("hello"));
        File.WriteAllText(At("tokens"), "write writer-0123456789\n");
        File.SetUnixFileMode(At("tokens"), UnixFileMode.UserRead);
        await using DaemonProcess daemon = await StartAsync(
            "--http", "127.0.0.1:0", "--http-public", "127.0.0.1:0", "--tokens", At("tokens"), "--port-file", At("port"));
        await daemon.AddressAsync();
        int[] ports = [.. File.ReadAllLines(At("port")).Select(int.Parse)];
        using HttpClient ours = new() { BaseAddress = new Uri($"http://127.0.0.1:{ports[0]}") };
        using HttpClient forAll = new() { BaseAddress = new Uri($"http://127.0.0.1:{ports[1]}") };
        Assert.That((await ours.GetAsync(Hash + ".narinfo")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await forAll.GetStringAsync(Hash + ".narinfo"), Does.Contain("-hello"));

        ours.DefaultRequestHeaders.Authorization = forAll.DefaultRequestHeaders.Authorization = new("Bearer", "writer-0123456789");
        Assert.That((await ours.PutAsync("log/x.drv", new StringContent("a log"))).StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        Assert.That((await forAll.PutAsync("log/y.drv", new StringContent("a log"))).StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await forAll.GetStringAsync("log/x.drv"), Is.EqualTo("a log"));

        using HttpRequestMessage grpc = new(HttpMethod.Post, "tvix.store.v1.PathInfoService/List") { Content = new ByteArrayContent(new byte[5]) };
        grpc.Content.Headers.ContentType = new("application/grpc");
        Assert.That((await forAll.SendAsync(grpc)).StatusCode, Is.Not.EqualTo(HttpStatusCode.OK), "gRPC is not there");
        await daemon.StopAsync();
    }

    [Test]
    public async Task Daemon_WithNarCompression_TellsOfZstd()
    {
        File.WriteAllText(At("hello"), "Hello World!");
        await SucceedAsync("import", At("hello"));
        await using DaemonProcess daemon = await StartAsync("--http", "127.0.0.1:0", "--http-nar-compression", "zstd");
        using HttpClient client = new() { BaseAddress = new Uri(await daemon.AddressAsync()) };
        string[] narInfo = (await client.GetStringAsync(Hash + ".narinfo")).Split('\n');
        Assert.That(narInfo, Has.Member("Compression: zstd"));
        byte[] file = await client.GetByteArrayAsync(narInfo.Single(line => line.StartsWith("URL: ", StringComparison.Ordinal))[5..]);
        Assert.That(Castore.Compression.Zstd.Decompress(file, 1000), Has.Length.EqualTo(128));
        await daemon.StopAsync();
    }

    [Test]
    public async Task Daemon_WithHttp_HasPagesAndKeepsFiles([Values] bool pages)
    {
        File.WriteAllText(At("hello"), "Hello World!");
        await SucceedAsync("import", At("hello"));
        string[] options = ["--http", "127.0.0.1:0", .. pages ? (string[])[] : ["--http-no-pages", "--http-files", At("files")]];
        await using (DaemonProcess daemon = await StartAsync(options))
        {
            using HttpClient client = new() { BaseAddress = new Uri(await daemon.AddressAsync()) };
            foreach (string path in (string[])["", $"path/{Hash}-hello", "style.css"])
            {
                Assert.That((await client.GetAsync(path)).IsSuccessStatusCode, Is.EqualTo(pages), path);
            }

            Assert.That((await client.PutAsync("log/x.drv", new StringContent("a log"))).StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
            await daemon.StopAsync();
        }

        Assert.That(Directory.GetFiles(pages ? Path.Combine(At("store"), "state", "files") : At("files")), Has.Length.EqualTo(1));
        await using DaemonProcess again = await StartAsync(options);
        using HttpClient second = new() { BaseAddress = new Uri(await again.AddressAsync()) };
        Assert.That(await second.GetStringAsync("log/x.drv"), Is.EqualTo("a log"));
        await again.StopAsync();
    }

    [Test]
    public async Task Daemon_WithHttp_SpeaksHttp2WhereGrpcIs()
    {
        await using DaemonProcess daemon = await StartAsync("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--port-file", At("port"));
        await daemon.AddressAsync();
        await daemon.WaitForAsync("listening on");
        using HttpClient client = new() { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        string[] ports = File.ReadAllLines(At("port"));
        HttpResponseMessage response = await client.GetAsync($"http://127.0.0.1:{ports[0]}/nix-cache-info");
        Assert.That((response.StatusCode, response.Version), Is.EqualTo((HttpStatusCode.OK, HttpVersion.Version20)));
        await daemon.StopAsync();
    }

    [Test]
    public async Task Daemon_KilledBetweenNarAndNarInfo_CompletesTheUpload()
    {
        // The NAR of the file, from a store of its own.
        File.WriteAllText(At("hello"), "Hello World!");
        byte[] nar = (await SucceedAsync("nar", At("hello"))).Output;
        await using (DaemonProcess first = await StartAsync("--http", "127.0.0.1:0"))
        {
            Assert.That(await PutAsync(first, NarName, nar), Is.EqualTo(HttpStatusCode.NoContent));
            first.Signal(9);
            await first.WaitForExitAsync();
        }

        await using DaemonProcess second = await StartAsync("--http", "127.0.0.1:0");
        string narInfo = $"""
            StorePath: /nix/store/{Hash}-hello
            URL: {NarName}
            Compression: none
            NarHash: sha256:{NarName[4..56]}
            NarSize: 128
            References: 

            """;
        Assert.That(await PutAsync(second, Hash + ".narinfo", System.Text.Encoding.UTF8.GetBytes(narInfo)), Is.EqualTo(HttpStatusCode.NoContent));
        await second.StopAsync();
        Assert.That((await SucceedAsync("cat", Hash)).Text, Is.EqualTo("Hello World!"));
        Assert.That((await SucceedAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
    }

    [Test]
    public async Task Daemon_WithTokens_AsksForThemInHttpToo()
    {
        File.WriteAllText(At("tokens"), "read reader-0123456789 alice\n");
        await using DaemonProcess daemon = await StartAsync("--http", "127.0.0.1:0", "--tokens", At("tokens"));
        using HttpClient client = new() { BaseAddress = new Uri(await daemon.AddressAsync()) };
        Assert.That((await client.GetAsync("nix-cache-info")).StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        client.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String("x:reader-0123456789"u8));
        Assert.That((await client.GetAsync("nix-cache-info")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await PutAsync(daemon, "x.narinfo", [], client), Is.EqualTo(HttpStatusCode.Forbidden));
        await daemon.WaitForAsync("token alice");
        await daemon.StopAsync();
    }

    [Test]
    public async Task Daemon_WithHttpAndListen_ServesBoth()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync("--http", "127.0.0.1:0", "--read-only");
        using HttpClient client = new() { BaseAddress = new Uri(await daemon.AddressAsync(1)) };
        Assert.That(await client.GetStringAsync("nix-cache-info"), Does.StartWith("StoreDir: /nix/store\n"));
        Assert.That(await PutAsync(daemon, "x.narinfo", [], client), Is.EqualTo(HttpStatusCode.Forbidden));
        using HttpClient other = new() { BaseAddress = new Uri(await daemon.AddressAsync()), DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        Assert.That(await other.GetStringAsync("nix-cache-info"), Does.StartWith("StoreDir: /nix/store\n"), "with HTTP/2 from the start");
        await daemon.StopAsync();
    }

    private static async Task<HttpStatusCode> PutAsync(DaemonProcess daemon, string path, byte[] body, HttpClient? client = null)
    {
        using HttpClient own = new() { BaseAddress = new Uri(await daemon.AddressAsync()) };
        return (await (client ?? own).PutAsync(path, new ByteArrayContent(body))).StatusCode;
    }
}
