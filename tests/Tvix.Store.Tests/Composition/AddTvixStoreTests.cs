using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
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

    [Test]
    public async Task AddTvixStore_SecondCall_KnowsTheNamesOfTheFirst()
    {
        IServiceCollection services = new ServiceCollection()
            .AddTvixStore(store => store.AddMemoryStore("near"), new StoreDirectory("/first/store"))
            .AddTvixStore(store => store.AddMemoryStore("far").AddCachingStore("root", "near", "far"), new StoreDirectory("/second/store"));
        Assert.That(() => services.AddTvixStore(store => store.AddMemoryStore("near")), Throws.ArgumentException.With.Message.Contains("'near'"));
        await using ServiceProvider provider = services.BuildServiceProvider();

        TvixStore root = provider.GetRequiredService<TvixStore>();
        var digest = await provider.GetRequiredKeyedService<IBlobService>("far").PutAsync("x"u8.ToArray());
        (await root.Blobs.ReadAsync(digest, 1))!.Dispose();

        Assert.That(await provider.GetRequiredKeyedService<IBlobService>("near").HasAsync(digest), Is.True);
        Assert.That(root.StoreDirectory.Path, Is.EqualTo("/second/store"));
        Assert.That(provider.GetRequiredKeyedService<TvixStore>("near").StoreDirectory.Path, Is.EqualTo("/first/store"));
    }

    [Test]
    public void AddLocalPathInfoService_UnknownStore_NamesIt() =>
        Assert.That(
            () => new ServiceCollection().AddTvixStore(store => store.AddLocalStore("/x", "disk").AddLocalPathInfoService("root", store: "disc")),
            Throws.InvalidOperationException.With.Message.Contains("'root'").And.Message.Contains("LocalStore 'disc'"));

    [Test]
    public void AddTvixStore_CycleOfCachesOfPathInfos_NamesTheTrail() =>
        Assert.That(
            () => new ServiceCollection().AddTvixStore(store => store.AddMemoryStore("a").AddCachingPathInfoService("root", near: "a", far: "root")),
            Throws.InvalidOperationException.With.Message.Contains("root → root"));

    [Test]
    public async Task AddTvixStore_Measured_TellsTheName()
    {
        using TelemetryListener listener = new("measured by name");
        await using ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(store => store.AddMemoryStore("a").AddMemoryStore("b").AddCachingStore("measured by name", near: "a", far: "b"))
            .BuildServiceProvider();
        TvixStore store = provider.GetRequiredKeyedService<TvixStore>("measured by name");

        await store.Blobs.HasAsync(default);
        await store.Directories.GetAsync(default);
        await store.PathInfos.GetAsync(default);

        Assert.That(listener.Operations, Is.EqualTo(new[] { "blob has absent", "directory get absent", "path_info get absent" }));
        Assert.That(listener.Sum("tvix.castore.cache.lookups miss"), Is.EqualTo(2));
    }

    [Test]
    public async Task AddTvixStore_DisposableServices_AreDisposedWithTheContainer()
    {
        DisposableBlobService service = new();
        await using (ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(store => store.AddService<IBlobService>("a", _ => service))
            .BuildServiceProvider())
        {
            Assert.That(ServiceCapabilities.Find<IAsyncDisposable>(provider.GetRequiredKeyedService<IBlobService>("a")), Is.Not.Null);
            Assert.That(ServiceCapabilities.Find<DisposableBlobService>(provider.GetRequiredKeyedService<IBlobService>("a")), Is.SameAs(service));
        }

        Assert.That(service.IsDisposed, Is.True);
    }

    [Test]
    public async Task UseAddresses_SchemeOfAPackage_IsKnownToTheBuilder()
    {
        List<string> checkedRests = [];
        int opened = 0;
        IServiceCollection services = new ServiceCollection().AddTvixStore(store => store
            .UseAddresses(
                "mine",
                (_, resolver) =>
                {
                    opened++;
                    return resolver.Open(StoreAddress.Parse("memory:"));
                },
                (address, _) => checkedRests.Add(address.Rest))
            .AddStore("cache:?near=memory:&far=mine:there"));
        Assert.That(checkedRests, Does.Contain("there"));
        Assert.That(opened, Is.Zero);
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.That(await provider.GetRequiredService<TvixStore>().Blobs.HasAsync(default), Is.False);
        Assert.That(opened, Is.EqualTo(1));
    }

    [TestCase("http://example.org")]
    [TestCase("memory:/x")]
    [TestCase("local:")]
    [TestCase("local:/x?unknown=1")]
    [TestCase("no scheme")]
    public void AddStore_BadAddress_SaysWhy(string address) =>
        Assert.That(() => new ServiceCollection().AddTvixStore(store => store.AddStore(address)), Throws.InstanceOf<FormatException>().With.Message.Contains(address));

    private sealed class DisposableBlobService : IBlobService, IAsyncDisposable
    {
        private readonly MemoryBlobService _inner = new();

        public bool IsDisposed { get; private set; }

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => _inner.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) => _inner.OpenReadAsync(digest, cancellationToken);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => _inner.OpenWriteAsync(cancellationToken);

        public ValueTask DisposeAsync()
        {
            IsDisposed = true;
            return ValueTask.CompletedTask;
        }
    }
}
