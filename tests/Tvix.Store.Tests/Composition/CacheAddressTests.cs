using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Store.Composition;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Composition;

[TestFixture]
public sealed class CacheAddressTests
{
    private static string Encode(string address) => Uri.EscapeDataString(address);

    [TestCase("cache:?")]
    [TestCase("cache://?")]
    public async Task Open_CacheOverLocal_ReadsFarAndKeepsNear(string start)
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["hello.txt"], "Hello World!");
        PathInfo info;
        await using (TvixStore far = TvixStore.Open("local:" + folder["far"]))
        {
            info = await far.ImportAsync(folder["hello.txt"]);
        }

        string address = $"{start}near={Encode("local:" + folder["near"])}&far={Encode("local:" + folder["far"] + "?durability=os")}";
        await using (TvixStore cache = TvixStore.Open(address))
        {
            Assert.That(await cache.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
            Assert.That(await cache.WriteNarAsync(info.Node, Stream.Null), Is.EqualTo(info.NarSize));
            Assert.That((await cache.GetStatisticsAsync()).Contents, Is.Not.Null, "those of the near store");
        }

        Directory.Delete(folder["far"], recursive: true);
        await using TvixStore near = TvixStore.Open("local:" + folder["near"]);
        Assert.That(await near.WriteNarAsync(info.Node, Stream.Null), Is.EqualTo(info.NarSize));
    }

    [TestCase("near", true, false)]
    [TestCase("far", false, true)]
    [TestCase("both", true, true)]
    public async Task Open_Writes_GoWhereTheAddressSays(string writes, bool isNear, bool isFar)
    {
        StoreServices near = StoreAddressResolver.Default.Open(StoreAddress.Parse("memory:"));
        StoreServices far = StoreAddressResolver.Default.Open(StoreAddress.Parse("memory:"));
        StoreAddressResolver resolver = StoreAddressResolver.Default.With("one", _ => near).With("other", _ => far);
        await using TvixStore cache = TvixStore.Open($"cache:?near=one:&far=other:&writes={writes}", resolver: resolver);

        var digest = await cache.Blobs.PutAsync("x"u8.ToArray());

        Assert.That(await near.Blobs.HasAsync(digest), Is.EqualTo(isNear));
        Assert.That(await far.Blobs.HasAsync(digest), Is.EqualTo(isFar));
    }

    [Test]
    public async Task Open_CachesInACache_UseTheSameResolver()
    {
        StoreServices mine = StoreAddressResolver.Default.Open(StoreAddress.Parse("memory:"));
        StoreAddressResolver resolver = StoreAddressResolver.Default.With("mine", _ => mine);
        string inner = $"cache:?near=memory:&far={Encode("mine:")}";
        var digest = await mine.Blobs.PutAsync("x"u8.ToArray());

        await using TvixStore cache = TvixStore.Open($"cache:?near=memory:&far={Encode(inner)}", resolver: resolver);

        Assert.That(await cache.Blobs.HasAsync(digest), Is.True);
    }

    [Test]
    public void Open_NestedTooDeep_IsRejected()
    {
        string address = "memory:";
        for (int i = 0; i < 9; i++)
        {
            address = $"cache:?far=memory:&near={Encode(address)}";
        }

        Assert.That(() => TvixStore.Open(address), Throws.InstanceOf<FormatException>().With.Message.Contains("more than 8"));
    }

    [Test]
    public async Task Dispose_DisposesBoth()
    {
        List<string> disposed = [];
        StoreAddressResolver resolver = StoreAddressResolver.Default.With("owned", address =>
            StoreAddressResolver.Default.Open(StoreAddress.Parse("memory:")) with { Owner = new Owner(() => disposed.Add(address.Rest)) });
        await TvixStore.Open("cache:?near=owned:a&far=owned:b", resolver: resolver).DisposeAsync();
        Assert.That(disposed, Is.EquivalentTo(new[] { "a", "b" }));
    }

    [Test]
    public void Open_FarDoesNotOpen_DisposesNear()
    {
        List<string> disposed = [];
        StoreAddressResolver resolver = StoreAddressResolver.Default
            .With("owned", address =>
                StoreAddressResolver.Default.Open(StoreAddress.Parse("memory:")) with { Owner = new Owner(() => disposed.Add(address.Rest)) })
            .With("broken", _ => throw new StorageException("down"));
        Assert.That(() => TvixStore.Open("cache:?near=owned:a&far=broken:", resolver: resolver), Throws.InstanceOf<StorageException>());
        Assert.That(disposed, Is.EqualTo(new[] { "a" }));
    }

    [TestCase("cache:?far=memory:", "'near' is missing")]
    [TestCase("cache:?near=memory:", "'far' is missing")]
    [TestCase("cache:?near=memory:&far=memory:&depth=1", "'depth=1'")]
    [TestCase("cache:?near=memory:&far=memory:&writes=nowhere", "'writes=nowhere'")]
    [TestCase("cache:/x?near=memory:&far=memory:", "no place of its own")]
    [TestCase("cache:?near=memory:&far=unknown:", "'unknown'")]
    [TestCase("cache:?near=memory:/x&far=memory:", "'memory:/x'")]
    [TestCase("cache:?near=nonsense&far=memory:", "'nonsense'")]
    public void Open_Bad_SaysWhat(string address, string what)
    {
        Assert.That(() => TvixStore.Open(address), Throws.InstanceOf<FormatException>().With.Message.Contains(what));
        Assert.That(() => StoreAddressResolver.Default.Check(StoreAddress.Parse(address)), Throws.InstanceOf<FormatException>());
        Assert.That(
            () => new ServiceCollection().AddTvixStore(store => store.AddStore(address)), Throws.InstanceOf<FormatException>().With.Message.Contains(what));
    }

    [Test]
    public async Task AddStore_Cache_AddsItsPartsByName()
    {
        using TempFolder folder = new();
        string address = $"cache:?near={Encode("local:" + folder["near"])}&far=memory:";
        await using ServiceProvider provider = new ServiceCollection().AddTvixStore(store => store.AddStore(address)).BuildServiceProvider();
        Assert.That(Directory.Exists(folder["near"]), Is.False, "nothing is opened yet");

        var digest = await provider.GetRequiredKeyedService<IBlobService>("root/far").PutAsync("x"u8.ToArray());
        TvixStore store = provider.GetRequiredService<TvixStore>();
        (await store.Blobs.ReadAsync(digest, 1))!.Dispose();

        Assert.That(await provider.GetRequiredKeyedService<LocalStore>("root/near").Blobs.HasAsync(digest), Is.True);
        Assert.That((await store.GetStatisticsAsync()).Contents, Is.Not.Null, "those of the near store");
    }

    private sealed class Owner(Action dispose) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            dispose();
            return ValueTask.CompletedTask;
        }
    }
}
