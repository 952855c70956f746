using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Store.Composition;
using Tvix.Store.NarInfos;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Composition;

[TestFixture]
public sealed class ConfigurationTests
{
    [Test]
    public async Task AddTvixStore_TheWholeShape_Works()
    {
        using TempFolder folder = new();
        string keyFile = folder["secret.key"];
        await File.WriteAllTextAsync(keyFile, SigningKey.Generate("test-1").ToSecretString() + "\n");
        await File.WriteAllTextAsync(folder["hello.txt"], "Hello World!");
        IConfigurationSection section = Section($$"""
            {
              "TvixStore": {
                "StoreDirectory": "/opt/store",
                "BlobServices": {
                  "root": { "Type": "cache", "Near": "disk", "Far": "peer", "Writes": "both" },
                  "disk": { "Type": "local", "Path": "{{folder["store"]}}", "Compression": "none", "level": 3, "avg_chunk_size": 65536 },
                  "peer": { "Type": "memory" },
                  "either": { "type": "combined", "local": "disk", "remote": "peer" }
                },
                "DirectoryServices": {
                  "root": { "Type": "cache", "Near": "disk", "Far": "peer" },
                  "disk": { "Type": "local", "Path": "{{folder["store"]}}/../store" },
                  "peer": { "Address": "memory:" }
                },
                "PathInfoServices": {
                  "root": { "Type": "cache", "near": "hot", "far": "signed" , "writes": "both" },
                  "hot": { "Type": "lru", "Capacity": "100" },
                  "signed": { "Type": "keyfile-signing", "inner": "DISK", "keyfile": "{{keyFile}}" },
                  "disk": { "Type": "local", "Path": "{{folder["store"]}}", "Durability": "OperatingSystem" }
                },
                "Stores": {
                  "other": { "Address": "local:{{folder["other"]}}" },
                  "scratch": { "Type": "memory" },
                  "both": { "Type": "Cache", "Near": "scratch", "Far": "other", "Writes": "Far" },
                  "same": { "Type": "local", "Path": "{{folder["store"]}}" }
                }
              }
            }
            """);
        await using ServiceProvider provider = new ServiceCollection().AddTvixStore(section).BuildServiceProvider();
        provider.GetRequiredService<IStartupValidator>().Validate();
        Assert.That(Directory.Exists(folder["store"]), Is.False, "nothing is opened yet");

        TvixStore store = provider.GetRequiredService<TvixStore>();
        PathInfo info = await store.ImportAsync(folder["hello.txt"]);

        Assert.That(info.StorePath.ToAbsolutePath(store.StoreDirectory), Does.StartWith("/opt/store/"));
        Assert.That(info.Signatures, Has.Count.EqualTo(1));
        Assert.That(info.Signatures[0].Name, Is.EqualTo("test-1"));
        Assert.That((await store.GetStatisticsAsync()).Contents, Is.Not.Null, "those of the near store");
        TvixStore same = provider.GetRequiredKeyedService<TvixStore>("same");
        Assert.That(await same.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
        Assert.That(provider.GetRequiredKeyedService<LocalStore>("same"), Is.SameAs(provider.GetRequiredKeyedService<LocalStore>("disk")));

        var digest = await provider.GetRequiredKeyedService<TvixStore>("both").Blobs.PutAsync("x"u8.ToArray());
        Assert.That(await provider.GetRequiredKeyedService<IBlobService>("other").HasAsync(digest), Is.True);
        Assert.That(await provider.GetRequiredKeyedService<IBlobService>("scratch").HasAsync(digest), Is.False);
        Assert.That(await provider.GetRequiredKeyedService<IBlobService>("either").HasAsync(digest), Is.False);
    }

    [Test]
    public async Task AddTvixStore_NamesInOtherSpellings_AreTheSame()
    {
        IConfigurationSection section = Section("""
            { "TvixStore": { "blobservices": {
                "ROOT": { "Type": "CACHE", "Near": "BUILDcache", "Far": "fromCode" },
                "buildCache": { "Type": "memory" } } } }
            """);
        await using ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(section, store => store.AddMemoryBlobService("fromCode"))
            .BuildServiceProvider();
        Assert.That(ServiceCapabilities.Find<CachingBlobService>(provider.GetRequiredService<IBlobService>()), Is.Not.Null);
        Assert.That(provider.GetRequiredKeyedService<IBlobService>("buildCache"), Is.Not.Null);
    }

    [Test]
    public async Task AddTvixStore_TypeOfAnotherPackage_IsUsed()
    {
        IConfigurationSection section = Section("""{ "TvixStore": { "BlobServices": { "root": { "Type": "mine", "Url": "x" } } } }""");
        string? url = null;
        await using ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(section, store => store.AddServiceType<IBlobService>("Mine", (builder, mine) =>
            {
                url = mine.Get("Url");
                builder.AddMemoryBlobService(mine.Name);
            }))
            .BuildServiceProvider();
        Assert.That(url, Is.EqualTo("x"));
        Assert.That(provider.GetRequiredService<IBlobService>(), Is.Not.Null);
    }

    [Test]
    public async Task AddTvixStore_SameAddressAndName_IsOpenedOnceAndDisposed()
    {
        int opened = 0;
        int disposed = 0;
        IConfigurationSection section = Section("""
            { "TvixStore": {
                "BlobServices": { "root": { "Address": "mine:a" }, "b": { "Type": "address", "Address": "mine:a" } },
                "DirectoryServices": { "root": { "Address": "mine:a" } },
                "PathInfoServices": { "root": { "Address": "mine:a" } } } }
            """);
        await using (ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(section, store => store.UseAddresses("mine", (_, resolver) =>
            {
                opened++;
                return resolver.Open(StoreAddress.Parse("memory:")) with { Owner = new Owner(() => disposed++) };
            }))
            .BuildServiceProvider())
        {
            Assert.That(opened, Is.Zero);
            Assert.That(provider.GetRequiredService<TvixStore>(), Is.Not.Null);
            Assert.That(opened, Is.EqualTo(1));
            Assert.That(provider.GetRequiredKeyedService<IBlobService>("b"), Is.Not.Null);
            Assert.That(opened, Is.EqualTo(2), "another name, another connection");
        }

        Assert.That(disposed, Is.EqualTo(2));
    }

    [TestCase("""{ "BlobServices": { "root": { "Type": "tape" } } }""", "TvixStore:BlobServices:root", "'tape'")]
    [TestCase("""{ "BlobServices": { "root": { } } }""", "TvixStore:BlobServices:root", "'Type' is missing")]
    [TestCase("""{ "BlobServices": { "root": { "Near": "x" } } }""", "TvixStore:BlobServices:root", "'Type' is missing")]
    [TestCase("""{ "BlobServices": { "root": { "Type": "memory", "Capactiy": 1 } } }""", "TvixStore:BlobServices:root", "'Capactiy' is not known")]
    [TestCase("""{ "BlobServices": { "root": { "Type": "cache", "Near": "a" } } }""", "TvixStore:BlobServices:root", "'Far' is missing")]
    [TestCase("""{ "BlobServices": { "root": { "Type": "cache", "Near": "a", "Far": "a" } } }""", "(TvixStore:BlobServices:root)", "'a', which does not exist")]
    [TestCase("""{ "BlobServices": { "root": { "Type": "cache", "Near": "b", "Far": "b" }, "b": { "Type": "combined", "Near": "root", "Far": "root" } } }""", "(TvixStore:BlobServices:", "made of itself")]
    [TestCase("""{ "BlobServices": { "root": { "Type": "combined", "Near": "a", "Local": "b", "Far": "c" } } }""", "TvixStore:BlobServices:root", "'Near' and 'Local'")]
    [TestCase("""{ "BlobServices": { "a": { "Type": "memory" }, "root": { "Type": "cache", "Near": "a", "Far": "a", "Writes": "1" } } }""", "TvixStore:BlobServices:root", "Near, Far, Both")]
    [TestCase("""{ "DirectoryServices": { "root": { "Type": "combined" } } }""", "TvixStore:DirectoryServices:root", "'combined'")]
    [TestCase("""{ "PathInfoServices": { "root": { "Type": "lru" } } }""", "TvixStore:PathInfoServices:root", "'Capacity' is missing")]
    [TestCase("""{ "PathInfoServices": { "root": { "Type": "lru", "Capacity": 0 } } }""", "TvixStore:PathInfoServices:root", "'Capacity' is 0")]
    [TestCase("""{ "PathInfoServices": { "root": { "Type": "lru", "Capacity": "many" } } }""", "TvixStore:PathInfoServices:root", "no whole number")]
    [TestCase("""{ "PathInfoServices": { "root": { "Type": "keyfile-signing", "Inner": "x", "KeyFile": "k" } } }""", "(TvixStore:PathInfoServices:root)", "'x', which does not exist")]
    [TestCase("""{ "BlobServices": { "root": { "Type": "local" } } }""", "TvixStore:BlobServices:root", "'Path' is missing")]
    [TestCase("""{ "BlobServices": { "root": { "Type": "local", "Path": "/x", "Level": 99 } } }""", "TvixStore:BlobServices:root", "CompressionLevel")]
    [TestCase("""{ "BlobServices": { "root": { "Type": "local", "Path": "/x", "Level": 99999999999 } } }""", "TvixStore:BlobServices:root", "out of its range")]
    [TestCase("""{ "BlobServices": { "a": { "Type": "local", "Path": "/x", "Level": 1 }, "b": { "Type": "local", "Path": "/x", "Level": 2 } } }""", "TvixStore:BlobServices:b", "TvixStore:BlobServices:a says 1")]
    [TestCase("""{ "Stores": { "root": { "Address": "tape:" } } }""", "TvixStore:Stores:root", "'tape'")]
    [TestCase("""{ "Stores": { "root": { "Address": "memory:/x" } } }""", "TvixStore:Stores:root", "memory:/x")]
    [TestCase("""{ "Stores": { "root": { "Type": "cache", "Near": "a", "Far": "b" } } }""", "(TvixStore:Stores:root)", "'a', which does not exist")]
    [TestCase("""{ "Stores": { "root": { "Type": "memory" } }, "BlobServices": { "Root": { "Type": "memory" } } }""", "TvixStore:Stores:root", "'root'")]
    [TestCase("""{ "BlobService": { "root": { "Type": "memory" } } }""", "TvixStore", "'BlobService' is not known")]
    [TestCase("""{ "StoreDirectory": "relative" }""", "TvixStore:StoreDirectory", "relative")]
    public void AddTvixStore_Bad_SaysWhereAndWhat(string json, string where, string what)
    {
        IConfigurationSection section = Section($$"""{ "TvixStore": {{json}} }""");
        Assert.That(
            () => new ServiceCollection().AddTvixStore(section),
            Throws.InvalidOperationException.With.Message.Contains(where).And.Message.Contains(what));
    }

    [Test]
    public async Task AddTvixStore_KeyFileMissing_FailsAtStart()
    {
        IConfigurationSection section = Section("""
            { "TvixStore": { "PathInfoServices": {
                "root": { "Type": "keyfile-signing", "Inner": "a", "KeyFile": "/nowhere/secret.key" }, "a": { "Type": "memory" } } } }
            """);
        await using ServiceProvider provider = new ServiceCollection().AddTvixStore(section).BuildServiceProvider();
        Assert.That(
            () => provider.GetRequiredService<IStartupValidator>().Validate(),
            Throws.InstanceOf<OptionsValidationException>().With.Message.Contains("'root'").And.Message.Contains("/nowhere/secret.key"));
    }

    private static IConfigurationSection Section(string json) =>
        new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build().GetSection("TvixStore");

    private sealed class Owner(Action dispose) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            dispose();
            return ValueTask.CompletedTask;
        }
    }
}
