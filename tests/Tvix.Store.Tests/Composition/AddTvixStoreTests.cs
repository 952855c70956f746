using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Store.Composition;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Composition;

[TestFixture]
public sealed class AddTvixStoreTests
{
    [Test]
    public async Task AddTvixStore_LocalStore_IsTheRootAndWorks()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["hello.txt"], "Hello World!");
        await using (ServiceProvider provider = new ServiceCollection().AddTvixStore(store => store.AddLocalStore(folder["store"])).BuildServiceProvider())
        {
            PathInfo info = await provider.GetRequiredService<TvixStore>().ImportAsync(folder["hello.txt"]);
            Assert.That(info.StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/925f1jb1ajrypjbyq7rylwryqwizvhp0-hello.txt"));
        }

        await using TvixStore again = TvixStore.Open("local:" + folder["store"]);
        Assert.That((await again.GetStatisticsAsync()).StorePaths, Is.EqualTo(1));
    }

    [Test]
    public async Task AddTvixStore_SeveralNames_AreApart()
    {
        await using ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(store => store.AddMemoryStore("a").AddMemoryStore("b"))
            .BuildServiceProvider();
        IBlobService a = provider.GetRequiredKeyedService<IBlobService>("a");
        IBlobService b = provider.GetRequiredKeyedService<IBlobService>("b");

        var digest = await a.PutAsync("x"u8.ToArray());

        Assert.That(await a.HasAsync(digest), Is.True);
        Assert.That(await b.HasAsync(digest), Is.False);
        Assert.That(provider.GetRequiredKeyedService<TvixStore>("a").Blobs, Is.SameAs(a));
        Assert.That(provider.GetService<IBlobService>(), Is.Null, "nothing is named root");
    }

    [Test]
    public async Task AddTvixStore_Combined_IsMadeOfTheNamedServices()
    {
        await using ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(store => store
                .AddMemoryStore("near")
                .AddMemoryStore("far")
                .AddCombinedBlobService("root", near: "near", far: "far")
                .AddCachingDirectoryService("root", near: "near", far: "far")
                .AddSigningPathInfoService("root", inner: "near", SigningKey.Generate("test-1")))
            .BuildServiceProvider();

        var digest = await provider.GetRequiredKeyedService<IBlobService>("far").PutAsync("far away"u8.ToArray());

        Assert.That(await provider.GetRequiredService<IBlobService>().HasAsync(digest), Is.True);
        Assert.That(ServiceCapabilities.Find<CachingDirectoryService>(provider.GetRequiredService<IDirectoryService>()), Is.Not.Null);
        Assert.That(ServiceCapabilities.Find<SigningPathInfoService>(provider.GetRequiredService<IPathInfoService>()), Is.Not.Null);
    }

    [Test]
    public void AddTvixStore_UnknownName_NamesIt() =>
        Assert.That(
            () => new ServiceCollection().AddTvixStore(store => store.AddMemoryStore("near").AddCombinedBlobService("root", "near", "nowhere")),
            Throws.InvalidOperationException.With.Message.Contains("'nowhere'").And.Message.Contains("'root'"));

    [Test]
    public void AddTvixStore_Cycle_NamesTheTrail() =>
        Assert.That(
            () => new ServiceCollection().AddTvixStore(store => store.AddCombinedBlobService("root", "other", "other").AddCombinedBlobService("other", "root", "root")),
            Throws.InvalidOperationException.With.Message.Contains("root → other → root").Or.Message.Contains("other → root → other"));

    [Test]
    public void AddTvixStore_NameTwice_NamesIt() =>
        Assert.That(
            () => new ServiceCollection().AddTvixStore(store => store.AddMemoryBlobService("a").AddMemoryBlobService("a")),
            Throws.ArgumentException.With.Message.Contains("'a'"));

    [Test]
    public async Task AddTvixStore_InvalidOptions_FailAtStart()
    {
        await using ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(store => store.AddLocalStore("/somewhere", configure: options => options.CompressionLevel = 99))
            .BuildServiceProvider();

        Assert.That(
            () => provider.GetRequiredService<IStartupValidator>().Validate(),
            Throws.InstanceOf<OptionsValidationException>().With.Message.Contains(nameof(LocalStoreOptions.CompressionLevel)));
    }

    [TestCase("memory:")]
    [TestCase("memory://")]
    public async Task AddStore_Memory_Works(string address)
    {
        await using ServiceProvider provider = new ServiceCollection().AddTvixStore(store => store.AddStore(address)).BuildServiceProvider();
        Assert.That(ServiceCapabilities.Find<MemoryBlobService>(provider.GetRequiredService<IBlobService>()), Is.Not.Null);
    }

    [Test]
    public async Task AddStore_SchemeOfAResolver_OpensIt()
    {
        StoreServices mine = StoreAddressResolver.Default.Open(StoreAddress.Parse("memory:"));
        StoreAddressResolver resolver = StoreAddressResolver.Default.With("mine", _ => mine);
        await using ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(store => store.AddStore("mine:", resolver: resolver), new StoreDirectory("/opt/store"))
            .BuildServiceProvider();

        TvixStore store = provider.GetRequiredService<TvixStore>();
        Assert.That(ServiceCapabilities.Find<MemoryBlobService>(store.Blobs), Is.SameAs(mine.Blobs));
        Assert.That(store.StoreDirectory.Path, Is.EqualTo("/opt/store"));
    }

    [TestCase("http://example.org")]
    [TestCase("memory:/x")]
    [TestCase("local:")]
    [TestCase("local:/x?unknown=1")]
    [TestCase("no scheme")]
    public void AddStore_BadAddress_SaysWhy(string address) =>
        Assert.That(() => new ServiceCollection().AddTvixStore(store => store.AddStore(address)), Throws.InstanceOf<FormatException>().With.Message.Contains(address));
}
