using System.Formats.Tar;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Store.PathInfos;
using Tvix.Testing;
using Tvix.Tests.Shared;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>What one does with a store, with one on a server.</summary>
[TestFixture]
[CancelAfter(60_000)]
[Platform("Linux")]
public sealed class RemoteImportTests
{
    private TempFolder _folder = null!;

    [SetUp]
    public void MakeTree()
    {
        _folder = new TempFolder();
        System.IO.Directory.CreateDirectory(_folder["tree/inner"]);
        for (int i = 0; i < 300; i++)
        {
            File.WriteAllBytes(_folder[$"tree/inner/{i}"], SampleData.Bytes(i * 10, i));
        }

        File.WriteAllBytes(_folder["tree/medium"], SampleData.Bytes(700_000, 1001));
        File.WriteAllBytes(_folder["tree/large"], SampleData.Bytes(9_000_000, 1002));
        File.WriteAllBytes(_folder["tree/large again"], SampleData.Bytes(9_000_000, 1002));
        File.CreateSymbolicLink(_folder["tree/link"], "large");
    }

    [TearDown]
    public void RemoveTree() => _folder.Dispose();

    [Test]
    public async Task Import_Again_SendsNoContents([Values] bool embedded)
    {
        CountingBlobService counting = null!;
        await using RemoteStore remote = await RemoteStore.StartAsync(embedded: embedded, wrap: blobs => counting = new CountingBlobService(blobs));
        TvixStore store = new(remote.Client.ToServices());
        PathInfo first = await store.ImportAsync(_folder["tree"]);
        long sent = counting.Written;
        Assert.That(sent, Is.GreaterThan(9_700_000).And.LessThan(9_700_000 + (300 * 3000)), "what occurs twice is sent once");

        PathInfo second = await store.ImportAsync(_folder["tree"]);
        Assert.That(second, Is.EqualTo(first));
        Assert.That(counting.Written, Is.EqualTo(sent));

        await File.AppendAllTextAsync(_folder["tree/inner/7"], "more");
        await store.ImportAsync(_folder["tree"]);
        Assert.That(counting.Written, Is.EqualTo(sent + 74), "only what is new");
    }

    [Test]
    public async Task Import_ThroughAServer_GivesWhatAStoreInMemoryGives()
    {
        await using RemoteStore remote = await RemoteStore.StartAsync(unixSocket: true, embedded: true, parameters: "?package=snix");
        TvixStore store = new(remote.Client.ToServices());
        await using TvixStore memory = TvixStore.Open("memory:");
        PathInfo info = await store.ImportAsync(_folder["tree"]);
        Assert.That(info, Is.EqualTo(await memory.ImportAsync(_folder["tree"])));

        Assert.That(await remote.Client.NarCalculation.CalculateAsync(info.Node), Is.EqualTo(new NarDigest(info.NarSize, info.NarHash)));
        await store.ExportAsync(info.Node, _folder["copy"]);
        Assert.That(await memory.ImportAsync(_folder["copy"], new StoreImportOptions { Name = "tree" }), Is.EqualTo(info));
    }

    [Test]
    public async Task ImportTar_ThroughAServer_LetsItHashTheNar()
    {
        using MemoryStream archive = new();
        TarFile.CreateFromDirectory(_folder["tree"], archive, includeBaseDirectory: true);
        await using RemoteStore remote = await RemoteStore.StartAsync();
        await using TvixStore memory = TvixStore.Open("memory:");
        Calculation calculation = new(remote.Client.NarCalculation);
        TvixStore store = new(remote.Client.ToServices() with { NarCalculation = calculation });
        archive.Position = 0;
        PathInfo info = await store.ImportTarAsync(archive, new StoreImportOptions { Name = "tree" });
        Assert.That(calculation.Calls, Is.EqualTo(1));
        archive.Position = 0;
        Assert.That(info, Is.EqualTo(await memory.ImportTarAsync(archive, new StoreImportOptions { Name = "tree" })));
    }

    private sealed class Calculation(INarCalculationService inner) : INarCalculationService
    {
        public int Calls { get; private set; }

        public ValueTask<NarDigest> CalculateAsync(Node root, CancellationToken cancellationToken = default)
        {
            Calls++;
            return inner.CalculateAsync(root, cancellationToken);
        }
    }
}
