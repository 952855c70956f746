using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Composition;
using Tvix.Store.Copy;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Composition;

[TestFixture]
public sealed class BinaryCacheCompositionTests
{
    private TempFolder _folder = null!;
    private PathInfo _hello = null!;
    private string _address = null!;

    [SetUp]
    public async Task MakeCacheAsync()
    {
        _folder = new TempFolder();
        await File.WriteAllTextAsync(_folder["hello"], "Hello World!");
        _address = "file://" + _folder["cache"];
        await using TvixStore source = TvixStore.Open("memory:");
        _hello = await source.ImportAsync(_folder["hello"]);
        await using TvixStore cache = TvixStore.Open(_address);
        await new StoreCopier(source, cache).CopyAllAsync();
    }

    [TearDown]
    public void DeleteCache() => _folder.Dispose();

    [Test]
    public async Task Open_ACacheInFrontOfABinaryCache_FetchesIntoTheNearStore()
    {
        string near = "local:" + _folder["near"];
        await using (TvixStore store = TvixStore.Open($"cache:?near={Uri.EscapeDataString(near)}&far={Uri.EscapeDataString(_address)}"))
        {
            Assert.That(await store.PathInfos.GetAsync(_hello.StorePath.Digest), Is.EqualTo(_hello));
        }

        Directory.Delete(_folder["cache"], recursive: true);
        await using TvixStore alone = TvixStore.Open(near);
        Assert.That(await alone.PathInfos.GetAsync(_hello.StorePath.Digest), Is.EqualTo(_hello));
        await using Stream contents = (await alone.OpenFileAsync(_hello.Node))!;
        Assert.That(await new StreamReader(contents).ReadToEndAsync(), Is.EqualTo("Hello World!"));
    }

    [Test]
    public async Task Open_SeveralThatAreFar_AsksTheOthersForWhatTheFirstDoesNotHave()
    {
        string far = Uri.EscapeDataString($"file://{_folder["empty"]} {_address}?priority=50");
        await using TvixStore store = TvixStore.Open($"cache:?near=memory:&far={far}");
        Assert.That(await store.PathInfos.GetAsync(_hello.StorePath.Digest), Is.EqualTo(_hello));
        Assert.That(await store.PathInfos.GetAsync(new StorePathDigest(new byte[20])), Is.Null);
    }

    [TestCase("cache:?near=memory:&far=memory:%20file:///x", "several stores that are far")]
    [TestCase("cache:?near=memory:&far=file:///x%3Funknown%3D1", "unknown=1")]
    [TestCase("nix+https://", "needs the URL")]
    [TestCase("nix+http://host/#part", "needs the URL")]
    [TestCase("file://host/folder", "absolute path")]
    [TestCase("file:///folder?retries=3", "retries=3")]
    [TestCase("nix+http://host?retries=-1", "retries=-1")]
    [TestCase("nix+http://host?timeout=0", "timeout=0")]
    [TestCase("nix+http://host?compression=lz4", "compression=lz4")]
    [TestCase("nix+http://host?trusted-public-keys=nonsense", "nonsense")]
    [TestCase("nix+http://host?store-dir=relative", "nix+http://host")]
    public void Check_OfABadAddress_SaysWhatIsWrong(string address, string expected) =>
        Assert.That(() => StoreAddressResolver.Default.Check(StoreAddress.Parse(address)), Throws.TypeOf<FormatException>().With.Message.Contains(expected));

    [Test]
    public void Check_OfEveryParameter_IsFine() => Assert.That(
        () => StoreAddressResolver.Default.Check(StoreAddress.Parse(
            "nix+https://cache.example.org/path?trusted-public-keys=&compression=xz&priority=-1&store-dir=/gnu/store&temporary-folder=/var/tmp"
            + "&netrc-file=/etc/netrc&token-file=/run/token&timeout=2.5&connect-timeout=1&retries=0")),
        Throws.Nothing);

    [Test]
    public async Task AddTvixStore_OfAConfiguration_MakesACacheInFrontOfSeveral()
    {
        IConfigurationRoot configuration = new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes($$"""
            {
              "Stores": { "near": { "Type": "local", "Path": "{{_folder["near"]}}" } },
              "PathInfoServices": {
                "root": { "Type": "cache", "Near": "near", "Far": "far" },
                "far": { "Type": "combined", "Services": "first second" },
                "first": { "Type": "nix", "Address": "file://{{_folder["empty"]}}", "BlobService": "near", "DirectoryService": "near" },
                "second": { "Type": "nix", "Address": "{{_address}}", "blob_service": "near", "directory_service": "near" }
              }
            }
            """))).Build();
        await using ServiceProvider provider = new ServiceCollection().AddTvixStore(configuration).BuildServiceProvider();
        IPathInfoService pathInfos = provider.GetRequiredService<IPathInfoService>();

        NarInfo? narInfo = await Tvix.Castore.Composition.ServiceCapabilities.Find<INarInfoService>(pathInfos)!.GetNarInfoAsync(_hello.StorePath.Digest);
        Assert.That(narInfo!.NarHash, Is.EqualTo(_hello.NarHash));
        Assert.That(await pathInfos.GetAsync(_hello.StorePath.Digest), Is.EqualTo(_hello));
    }

    [Test]
    public void AddBinaryCachePathInfoService_OfAnotherAddress_Throws() => Assert.That(
        () => new ServiceCollection().AddTvixStore(builder => builder.AddMemoryStore().AddBinaryCachePathInfoService("far", "memory:", "root")),
        Throws.TypeOf<FormatException>());
}
