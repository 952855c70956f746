using System.IO.Pipelines;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Nar;

/// <summary>Rendering from the embedded store, which is asked for many blobs at a time.</summary>
[TestFixture]
public sealed class NarRendererLocalTests
{
    private TempFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [FsCheck.NUnit.Property(MaxTest = 40, Replay = "(7,3)")]
    public void Render_AnyTree_GivesItsNar(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            using TempFolder folder = new();
            TestTree tree = await TestTree.RandomAsync(seed, seed % 3 == 0 ? 400_000 : 500);
            foreach (LocalCompression compression in (LocalCompression[])[LocalCompression.None, LocalCompression.Zstd])
            {
                await using LocalStore store = Open(folder[compression.ToString()], compression);
                await new NarIngester(store.Blobs, store.Directories).IngestAsync(new MemoryStream(tree.Nar));
                foreach (NarRenderOptions options in (NarRenderOptions[])
                    [new(), new() { SmallBlobBytes = 50 }, new() { PrefetchBytes = 1000 }, new() { PrefetchBytes = 0 }, new() { SmallBlobBytes = int.MaxValue }])
                {
                    Assert.That((await RenderAsync(store, tree.Root, options)).AsSpan().SequenceEqual(tree.Nar));
                }
            }
        }
    }

    [Test]
    public async Task Render_ManyFilesLargeAndSmall_GivesTheNar([Values] bool toPipe)
    {
        await using LocalStore store = Open(_folder["store"], LocalCompression.None);
        TestTree tree = new();
        List<(string, Node)> entries = [];
        for (int i = 0; i < 1500; i++)
        {
            // Some in several chunks, some in one that is larger than what is read together, most of them small, some empty.
            byte[] contents = new byte[i % 100 == 3 ? 700_000 : i % 50 == 1 ? 20_000 : (i * 7) % 90];
            new Random(i).NextBytes(contents);
            await store.Blobs.PutAsync(contents);
            entries.Add(($"{i:d4}", new Node.File(await tree.Blobs.PutAsync(contents), (ulong)contents.Length, i % 2 == 0)));
        }

        Node.Directory inner = await tree.PutDirectoryAsync([.. entries]);
        Node.Directory root = await tree.PutDirectoryAsync(("a", inner), ("b", inner), ("c", entries[3].Item2));
        MemoryStream expected = new();
        await new NarRenderer(tree.Blobs, tree.Directories).RenderAsync(root, expected);

        MemoryStream output = new();
        NarRenderer renderer = new(store.Blobs, tree.Directories);
        ulong size = toPipe ? await renderer.RenderAsync(root, PipeWriter.Create(output)) : await renderer.RenderAsync(root, output);
        Assert.That(size, Is.EqualTo((ulong)expected.Length));
        Assert.That(output.ToArray().AsSpan().SequenceEqual(expected.ToArray()));
    }

    [TestCase(100)]
    [TestCase(200_000)]
    public async Task Render_BlobMissingOrOfAnotherLength_SaysWhichAfterWhatComesBefore(int length)
    {
        await using LocalStore store = Open(_folder["store"], LocalCompression.None);
        TestTree tree = new();
        Node before = new Node.File(await store.Blobs.PutAsync("what comes before"u8.ToArray()), 17, false);
        B3Digest stored = await store.Blobs.PutAsync(new byte[length]);
        B3Digest missing = new([.. Enumerable.Repeat((byte)9, 32)]);
        foreach (Node.File bad in (Node.File[])
            [new(missing, (ulong)length, false), new(stored, (ulong)length - 1, false), new(stored, (ulong)length + 1, false), new(stored, 0, false)])
        {
            Node.Directory root = await tree.PutDirectoryAsync(("a", await tree.PutDirectoryAsync(("file", before), ("other", bad), ("z", before))));
            MemoryStream output = new();
            StorageException? e = Assert.ThrowsAsync<StorageException>(() => new NarRenderer(store.Blobs, tree.Directories).RenderAsync(root, output));
            Assert.That(e!.Message, Does.Contain(bad.Digest.ToString()).And.Contain("'a/other'"));
        }
    }

    [TestCase(100)]
    [TestCase(200_000)]
    public async Task Render_DamagedBlob_Throws(int length)
    {
        await using LocalStore store = Open(_folder["store"], LocalCompression.None);
        TestTree tree = new();
        byte[] contents = new byte[length];
        new Random(1).NextBytes(contents);
        Node file = new Node.File(await store.Blobs.PutAsync(contents), (ulong)length, false);
        string pack = Directory.EnumerateFiles(Path.Combine(_folder["store"], "packs"), "*.pack").Single();
        byte[] bytes = await File.ReadAllBytesAsync(pack);
        bytes[72 + (length / 3)] ^= 1; // behind the head of the first record
        await File.WriteAllBytesAsync(pack, bytes);
        Node.Directory root = await tree.PutDirectoryAsync(("a", file), ("b", file));
        Assert.That(async () => await new NarRenderer(store.Blobs, tree.Directories).RenderAsync(root, Stream.Null), Throws.InstanceOf<DigestMismatchException>());
    }

    [Test]
    public async Task Render_WriterFailsOrIsCancelled_EndsAndFreesTheStore()
    {
        LocalStore store = Open(_folder["store"], LocalCompression.None);
        TestTree tree = new();
        byte[] contents = new byte[3_000_000];
        new Random(1).NextBytes(contents);
        Node file = new Node.File(await store.Blobs.PutAsync(contents), (ulong)contents.Length, false);
        Node.Directory root = await tree.PutDirectoryAsync(("a", file), ("b", file));
        NarRenderer renderer = new(store.Blobs, tree.Directories);
        using CancellationTokenSource cancellation = new();
        Assert.That(async () => await renderer.RenderAsync(root, new FailingStream(() => throw new IOException("full"))), Throws.InstanceOf<IOException>());
        Assert.That(
            async () => await renderer.RenderAsync(root, new FailingStream(cancellation.Cancel), cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        await store.DisposeAsync(); // nobody reads any more
    }

    private static async Task<byte[]> RenderAsync(LocalStore store, Node root, NarRenderOptions options)
    {
        MemoryStream output = new();
        await new NarRenderer(store.Blobs, store.Directories, options).RenderAsync(root, output);
        return output.ToArray();
    }

    private static LocalStore Open(string path, LocalCompression compression) =>
        new(new LocalStoreOptions { Path = path, Compression = compression, AverageChunkSize = 16 * 1024, Durability = LocalDurability.OperatingSystem });

    /// <summary>Does something when it has got a megabyte.</summary>
    private sealed class FailingStream(Action action) : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Write(buffer.Span);
            if (Length > 1_000_000)
            {
                action();
            }

            cancellationToken.ThrowIfCancellationRequested();
            return ValueTask.CompletedTask;
        }
    }
}
