using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Store.Grpc.Client;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.PathInfos;
using Tvix.Testing;

namespace Tvix.Store.Grpc.Tests.Client;

[TestFixture]
public sealed class GrpcTvixStoreBuilderTests
{
    [Test]
    public async Task AddGrpcStore_ServerInAnotherProcess_IsAStoreLikeAnyOther([Values] bool unixSocket)
    {
        await using RemoteStore remote = await RemoteStore.StartAsync(unixSocket);
        ServiceCollection services = new();
        services.AddTvixStore(builder => builder.AddGrpcStore(RemoteStore.AddressOf(remote.Server, unixSocket)));
        await using ServiceProvider provider = services.BuildServiceProvider();
        TvixStore store = provider.GetRequiredService<TvixStore>();
        await store.Blobs.PutAsync(SampleData.Bytes(100));
        await store.Directories.PutAsync(SampleTrees.Keep);
        Assert.That(await remote.Backend.Directories.GetAsync(SampleTrees.Keep.Digest), Is.EqualTo(SampleTrees.Keep));
        Assert.That(provider.GetRequiredService<Nar.INarCalculationService>(), Is.InstanceOf<GrpcPathInfoService>());
    }

    [TestCase("Stores:root", "Type=grpc", "Url")]
    [TestCase("Stores:root", "", "Address")]
    [TestCase("BlobServices:root DirectoryServices:root PathInfoServices:root", "Type=grpc", "Url")]
    public async Task UseGrpc_Configuration_NamesServers(string sections, string type, string key)
    {
        await using RemoteStore remote = await RemoteStore.StartAsync();
        Dictionary<string, string?> values = [];
        foreach (string section in sections.Split(' '))
        {
            values[$"{section}:{key}"] = RemoteStore.AddressOf(remote.Server, false);
            if (type.Length > 0)
            {
                values[$"{section}:Type"] = "grpc";
            }
        }

        ServiceCollection services = new();
        services.AddTvixStore(new ConfigurationBuilder().AddInMemoryCollection(values).Build(), builder => builder.UseGrpc());
        await using ServiceProvider provider = services.BuildServiceProvider();
        TvixStore store = provider.GetRequiredService<TvixStore>();
        await store.Directories.PutAsync(SampleTrees.Keep);
        Assert.That(await remote.Backend.Directories.GetAsync(SampleTrees.Keep.Digest), Is.EqualTo(SampleTrees.Keep));
        Assert.That(await store.PathInfos.GetAsync(Tvix.Testing.PathInfos.SamplePathInfos.Full.StorePath.Digest), Is.Null);
        Assert.That(store.Blobs.AskedBeforeWriting, Is.InstanceOf<GrpcBlobService>(), "also when it is measured");
    }

    [Test]
    public void UseGrpc_BadAddress_ThrowsAtOnce() => Assert.That(
        () => new ServiceCollection().AddTvixStore(builder => builder.UseGrpc().AddStore("grpc+http://localhost/path")), Throws.InstanceOf<FormatException>());

    [Test]
    public async Task Add_SameAddress_SharesOneChannelAndMakesItLate()
    {
        int channels = 0;
        void Configure(GrpcStoreOptions options)
        {
            options.Address = "grpc+unix:///nonexistent";
            options.ConfigureChannel = Count;
        }

        void Count(GrpcChannelOptions options) => channels++;
        ServiceCollection services = new();
        services.AddTvixStore(builder => builder
            .AddGrpcBlobService("root", Configure)
            .AddGrpcDirectoryService("root", Configure)
            .AddGrpcPathInfoService("root", Configure)
            .AddGrpcBlobService("other", options =>
            {
                Configure(options);
                options.Address += "/other";
                options.Blobs.PieceBytes = 4096;
            }));
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.That(channels, Is.Zero);
        _ = provider.GetRequiredService<IBlobService>();
        _ = provider.GetRequiredService<IDirectoryService>();
        _ = provider.GetRequiredService<IPathInfoService>();
        Assert.That(channels, Is.EqualTo(1));
        _ = provider.GetRequiredKeyedService<IBlobService>("other");
        Assert.That(channels, Is.EqualTo(2));
    }

    [Test]
    public void Add_BadSettings_ThrowsAtOnce()
    {
        TvixStoreBuilder builder = new(new ServiceCollection());
        Assert.That(() => builder.AddGrpcStore("grpc+http://localhost/path"), Throws.InstanceOf<FormatException>());
        Assert.That(() => builder.AddGrpcBlobService("a", _ => { }), Throws.InstanceOf<FormatException>());
        Assert.That(() => builder.AddGrpcStore("grpc+http://localhost", "b", options => options.Blobs.PieceBytes = 1), Throws.InstanceOf<ArgumentException>());
        builder.AddGrpcStore("grpc+http://localhost", "c");
        Assert.That(() => builder.AddGrpcPathInfoService("c", options => options.Address = "grpc+http://localhost"), Throws.InstanceOf<ArgumentException>());
    }

    [Test]
    public void Options_OutOfRange_Throw()
    {
        foreach (GrpcBlobServiceOptions options in (GrpcBlobServiceOptions[])
        [
            new() { Package = (GrpcPackage)7 },
            new() { Timeout = TimeSpan.Zero },
            new() { Timeout = TimeSpan.FromDays(100) },
            new() { BufferBytes = -1 },
            new() { MaxParallelCalls = 0 },
            new() { MaxParallelCalls = 65 },
            new() { MaxBufferedBlob = -1 },
            new() { MaxChunkBytes = 0 },
            new() { PieceBytes = (1 << 20) + 1 },
            new() { WriteBuffer = -1 },
        ])
        {
            Assert.That(options.Validate, Throws.InstanceOf<ArgumentException>());
        }
    }
}
