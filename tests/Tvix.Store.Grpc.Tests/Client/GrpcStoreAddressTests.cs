using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.Composition;
using Tvix.Store.Grpc.Client;
using Tvix.Store.Grpc.Protocol;
using Tvix.Tests.Shared;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>Spec: castore §5.2, B.6; store-services §1.5.1.</summary>
[TestFixture]
public sealed class GrpcStoreAddressTests
{
    [TestCase("grpc+http://localhost", "http://localhost:80")]
    [TestCase("grpc+https://localhost", "https://localhost:443")]
    [TestCase("grpc+http://localhost:8000", "http://localhost:8000")]
    [TestCase("GRPC+HTTP://localhost:8000", "http://localhost:8000")]
    [TestCase("grpc+http://[::1]:12345", "http://[::1]:12345")]
    [TestCase("grpc+http://192.0.2.7", "http://192.0.2.7:80")]
    [TestCase("grpc+https://store.example:443?wait-connect=0", "https://store.example:443")]
    public void Parse_Server_HasItsEndpoint(string text, string endpoint)
    {
        GrpcStoreAddress address = GrpcStoreAddress.Parse(text);
        Assert.That(address.Endpoint, Is.EqualTo(new Uri(endpoint)));
        Assert.That(address.SocketPath, Is.Null);
        Assert.That(address.ToString(), Is.EqualTo(text));
    }

    [TestCase("grpc+unix:///path/to/somewhere", "/path/to/somewhere")]
    [TestCase("grpc+unix:/path", "/path")]
    [TestCase("grpc+unix:///path/to/sock?package=snix", "/path/to/sock")]
    [TestCase("grpc+unix:///with%20space/%C3%A4", "/with space/ä")]
    [TestCase("grpc+unix:/question%3Fmark", "/question?mark")]
    public void Parse_Socket_HasItsPath(string text, string path)
    {
        GrpcStoreAddress address = GrpcStoreAddress.Parse(text);
        Assert.That(address.SocketPath, Is.EqualTo(path));
        Assert.That(address.Endpoint, Is.Null);
    }

    [TestCase("http://foo.example/test")]
    [TestCase("grpc+http://localhost/some-path")]
    [TestCase("grpc+http://localhost/")]
    [TestCase("grpc+http://")]
    [TestCase("grpc+http:")]
    [TestCase("grpc+http:localhost")]
    [TestCase("grpc+http://:80")]
    [TestCase("grpc+http://user@localhost")]
    [TestCase("grpc+http://localhost:99999")]
    [TestCase("grpc+http://localhost:0")]
    [TestCase("grpc+http://localhost#x")]
    [TestCase("grpc+unix://host/path")]
    [TestCase("grpc+unix:")]
    [TestCase("grpc+unix:///")]
    [TestCase("grpc+unix:relative")]
    [TestCase("grpc+unix:///a%00b")]
    [TestCase("grpc+ftp://localhost")]
    [TestCase("grpc://localhost")]
    [TestCase("memory:")]
    public void Parse_NoSuchAddress_Throws(string text) => Assert.That(() => GrpcStoreAddress.Parse(text), Throws.InstanceOf<FormatException>());

    [Test]
    public void Parse_SocketPathTooLong_Throws() =>
        Assert.That(() => GrpcStoreAddress.Parse("grpc+unix:/" + new string('x', 200)), Throws.InstanceOf<FormatException>());

    [Test]
    public void Parse_Parameters_AreRead()
    {
        GrpcStoreAddress plain = GrpcStoreAddress.Parse("grpc+https://localhost");
        Assert.That(
            (plain.WaitConnect, plain.Package, plain.Timeout, plain.Compress, plain.TokenFile, plain.CaFile),
            Is.EqualTo((false, GrpcPackage.Tvix, (TimeSpan?)null, false, (string?)null, (string?)null)));
        GrpcStoreAddress full = GrpcStoreAddress.Parse(
            "grpc+https://localhost?wait-connect=1&package=snix&timeout=2.5&compress=1&token-file=%2Frun%2Fa%20token&ca-file=/etc/ca.pem");
        Assert.That(
            (full.WaitConnect, full.Package, full.Timeout, full.Compress, full.TokenFile, full.CaFile),
            Is.EqualTo((true, GrpcPackage.Snix, (TimeSpan?)TimeSpan.FromSeconds(2.5), true, "/run/a token", "/etc/ca.pem")));
    }

    [TestCase("package=nix")]
    [TestCase("timeout=0")]
    [TestCase("timeout=-1")]
    [TestCase("timeout=1e9")]
    [TestCase("timeout=soon")]
    [TestCase("compress=2")]
    [TestCase("ca-file=/etc/ca.pem")]
    [TestCase("waitconnect=1")]
    [TestCase("Package=tvix")]
    public void Parse_UnknownParameter_ThrowsAndNamesIt(string parameter) =>
        Assert.That(() => GrpcStoreAddress.Parse("grpc+http://localhost?" + parameter), Throws.InstanceOf<FormatException>().With.Message.Contains(parameter));

    [TestCase("grpc+unix:///path/to/somewhere")]
    [TestCase("grpc+http://[::1]:12345")]
    [TestCase("grpc+https://localhost")]
    public async Task Open_NobodyListens_SucceedsUnlessItIsToWait(string text)
    {
        StoreAddressResolver resolver = StoreAddressResolver.Default.WithGrpc();
        await using (TvixStore store = TvixStore.Open(text, resolver: resolver))
        {
            Assert.That(store.Blobs, Is.InstanceOf<GrpcBlobService>());
        }

        if (text.StartsWith("grpc+unix", StringComparison.Ordinal))
        {
            Assert.That(() => TvixStore.Open(text + "?wait-connect=1", resolver: resolver), Throws.InstanceOf<StorageException>());
            Assert.That(async () => await GrpcStore.OpenAsync(text + "?wait-connect=1"), Throws.InstanceOf<StorageException>());
        }
    }

    [Test]
    public async Task Open_SomebodyListens_Succeeds([Values] bool unixSocket)
    {
        await using FakeServer fake = await FakeServer.StartAsync(); // whose Stat is not even served
        await using GrpcStore client = await GrpcStore.OpenAsync($"grpc+http://{fake.Client.Channel.Address.Authority}?wait-connect=1");
        await using RemoteStore remote = await RemoteStore.StartAsync(unixSocket);
        StoreAddressResolver resolver = StoreAddressResolver.Default.WithGrpc();
        await using TvixStore store = TvixStore.Open(RemoteStore.AddressOf(remote.Server, unixSocket) + "?wait-connect=1", resolver: resolver);
        Assert.That(await store.GetStatisticsAsync(), Has.Property("StorePaths").Zero);
    }

    [Test]
    public async Task TokenFile_Changed_IsReadAnew()
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["token"], " first\n");
        List<string?> seen = [];
        await using FakeServer fake = await FakeServer.StartAsync();
        fake.Stat = (_, context) =>
        {
            seen.Add(context.RequestHeaders.GetText("authorization"));
            throw new GrpcException(GrpcStatusCode.NotFound, "");
        };
        await using GrpcStore store = await GrpcStore.OpenAsync($"grpc+http://{fake.Client.Channel.Address.Authority}?token-file={folder["token"]}");
        await store.Blobs.HasAsync(default);
        await File.WriteAllTextAsync(folder["token"], "second");
        await store.Blobs.HasAsync(default);
        Assert.That(seen, Is.EqualTo(new[] { "Bearer first", "Bearer second" }));

        await File.WriteAllTextAsync(folder["token"], "two words");
        Assert.That(async () => await store.Blobs.HasAsync(default), Throws.InstanceOf<StorageException>().With.Message.Contains("token"));
        File.Delete(folder["token"]);
        StorageException e = Assert.ThrowsAsync<StorageException>(async () => await store.Blobs.HasAsync(default))!;
        Assert.That(e.IsTransient, Is.False);
        Assert.That(e.Message, Does.Contain(folder["token"]));
    }

    [Test]
    public async Task CaFile_NotThereOrEmpty_Throws()
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["empty"], "");
        Assert.That(() => new GrpcStore(GrpcStoreAddress.Parse($"grpc+https://localhost?ca-file={folder["empty"]}")), Throws.InstanceOf<StorageException>());
        Assert.That(() => new GrpcStore(GrpcStoreAddress.Parse($"grpc+https://localhost?ca-file={folder["none"]}")), Throws.InstanceOf<StorageException>());
    }
}
