using System.Runtime.Versioning;
using NUnit.Framework;
using Tvix.Castore.Import;
using Tvix.Store.Nar;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
[SupportedOSPlatform("linux")]
public sealed class FileSystemNarWriterTests
{
    private TempFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    private string MakeTree()
    {
        Directory.CreateDirectory(_folder["tree/a/empty"]);
        for (int size = 0; size < 20; size++)
        {
            File.WriteAllBytes(_folder[$"tree/a/{size}"], new byte[size]);
        }

        byte[] large = new byte[3_000_001];
        new Random(1).NextBytes(large);
        File.WriteAllBytes(_folder["tree/large"], large);
        File.SetUnixFileMode(_folder["tree/large"], (UnixFileMode)0b111_101_101);
        File.CreateSymbolicLink(_folder["tree/link"], "nowhere");
        return _folder["tree"];
    }

    [Test]
    public async Task Write_Tree_IsWhatTheStoreRenders()
    {
        string tree = MakeTree();
        await using TvixStore store = TvixStore.Open("memory:");
        PathInfo info = await store.ImportAsync(tree);
        using MemoryStream expected = new();
        await store.WriteNarAsync(info.Node, expected);

        using MemoryStream actual = new();
        ulong size = await FileSystemNarWriter.WriteAsync(tree, actual);
        Assert.That(size, Is.EqualTo(info.NarSize));
        Assert.That(actual.ToArray().AsSpan().SequenceEqual(expected.ToArray()), Is.True);
    }

    [TestCase("tree/a/0")]
    [TestCase("tree/a/7")]
    [TestCase("tree/large")]
    [TestCase("tree/link")]
    [TestCase("tree/a/empty")]
    public async Task Write_OneNode_IsWhatTheStoreRenders(string path)
    {
        MakeTree();
        await using TvixStore store = TvixStore.Open("memory:");
        PathInfo info = await store.ImportAsync(_folder[path]);
        using MemoryStream expected = new();
        await store.WriteNarAsync(info.Node, expected);
        using MemoryStream actual = new();
        await FileSystemNarWriter.WriteAsync(_folder[path], actual);
        Assert.That(actual.ToArray(), Is.EqualTo(expected.ToArray()));
    }

    [Test]
    public async Task Write_WithProgress_TellsTheTotalsAtTheEnd()
    {
        ImportProgress last = default;
        await FileSystemNarWriter.WriteAsync(MakeTree(), Stream.Null, progress: new Latest(progress => last = progress));
        Assert.That(last, Is.EqualTo(new ImportProgress(21, 3, 1, 3_000_001 + Enumerable.Range(0, 20).Sum())));
    }

    [Test]
    public void Write_NothingThere_Throws()
    {
        ImportException? error = Assert.ThrowsAsync<ImportException>(async () => await FileSystemNarWriter.WriteAsync(_folder["nothing"], Stream.Null));
        Assert.That(error!.Error, Is.EqualTo(ImportError.Read));
    }

    [Test]
    public void Write_DestinationFails_ThrowsItsException()
    {
        string tree = MakeTree();
        using MemoryStream tooSmall = new(new byte[1000]);
        Assert.ThrowsAsync<NotSupportedException>(async () => await FileSystemNarWriter.WriteAsync(tree, tooSmall));
    }

    [Test]
    public void Write_Cancelled_Throws()
    {
        string tree = MakeTree();
        using CancellationTokenSource cancellation = new();
        Assert.CatchAsync<OperationCanceledException>(async () => await FileSystemNarWriter.WriteAsync(
            tree, new CancelAtWrite(cancellation), cancellationToken: cancellation.Token));
    }

    private sealed class Latest(Action<ImportProgress> report) : IProgress<ImportProgress>
    {
        public void Report(ImportProgress value) => report(value);
    }

    /// <summary>Cancels when the first bytes come, and then fails.</summary>
    private sealed class CancelAtWrite(CancellationTokenSource cancellation) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            cancellation.Cancel();
            cancellation.Token.ThrowIfCancellationRequested();
        }
    }
}
