using System.Buffers;
using System.IO.Pipelines;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class NarRendererTests
{
    private static async Task<byte[]> RenderAsync(
        IBlobService blobs, IDirectoryService directories, Node root, NarRenderOptions? options = null)
    {
        MemoryStream stream = new();
        ulong size = await new NarRenderer(blobs, directories, options).RenderAsync(root, stream);
        Assert.That(size, Is.EqualTo((ulong)stream.Length));
        return stream.ToArray();
    }

    [FsCheck.NUnit.Property(MaxTest = 200, Replay = "1,3")]
    public void Render_AnyTree_GivesItsNarAndDigest(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            TestTree tree = await TestTree.RandomAsync(seed, seed % 4 == 0 ? 100_000 : 300);
            NarRenderOptions streamed = new() { SmallBlobBytes = 50, PrefetchBytes = 200 };
            Assert.That((await RenderAsync(tree.Blobs, tree.Directories, tree.Root)).AsSpan().SequenceEqual(tree.Nar));
            Assert.That((await RenderAsync(tree.Blobs, tree.Directories, tree.Root, streamed)).AsSpan().SequenceEqual(tree.Nar));
            Assert.That(await new NarSizeCalculator(tree.Directories).CalculateAsync(tree.Root), Is.EqualTo((ulong)tree.Nar.Length));
            NarDigest digest = await new RenderingNarCalculationService(tree.Blobs, tree.Directories).CalculateAsync(tree.Root);
            Assert.That(digest, Is.EqualTo(new NarDigest((ulong)tree.Nar.Length, Sha256Digest.Compute(tree.Nar))));

            // From services that never answer at once, and to a pipe.
            AsyncDirectoryService directories = new(tree.Directories);
            GatedBlobService blobs = new(tree.Blobs);
            Pipe pipe = new();
            Task<ulong> rendering = new NarRenderer(blobs, directories, streamed).RenderAsync(tree.Root, pipe.Writer);
            Task<ReadResult> reading = pipe.Reader.ReadAtLeastAsync(tree.Nar.Length).AsTask();
            while (!rendering.IsCompleted && !reading.IsCompleted)
            {
                blobs.Release();
                await Task.Yield();
            }

            Assert.That(await rendering, Is.EqualTo((ulong)tree.Nar.Length));
            Assert.That((await reading).Buffer.ToArray().AsSpan().SequenceEqual(tree.Nar));
        }
    }

    [Test]
    public async Task Render_DirectoriesKnownByTheirRootOnly_FetchesTheClosure()
    {
        TestTree tree = new();
        Node.File file = new(B3Digest.Empty, 0, false);
        Node.Directory inner = await tree.PutDirectoryAsync(("f", file));
        Node.Directory root = await tree.PutDirectoryAsync(("a", inner), ("b", await tree.PutDirectoryAsync(("g", inner))));
        byte[] expected = await RenderAsync(tree.Blobs, tree.Directories, root);
        AsyncDirectoryService rootsOnly = new(tree.Directories, root.Digest);
        Assert.That(await RenderAsync(tree.Blobs, rootsOnly, root), Is.EqualTo(expected));
        Assert.That(await new NarSizeCalculator(rootsOnly).CalculateAsync(root), Is.EqualTo((ulong)expected.Length));
    }

    [Test]
    public async Task Render_SlowStore_PrefetchesWithinTheBudget()
    {
        TestTree tree = new();
        List<(string, Node)> entries = [];
        for (int i = 0; i < 40; i++)
        {
            entries.Add(($"{i:d2}", new Node.File(await tree.Blobs.PutAsync(new byte[100 + i]), (ulong)(100 + i), false)));
        }

        Node root = await tree.PutDirectoryAsync([.. entries]);
        byte[] expected = await RenderAsync(tree.Blobs, tree.Directories, root);
        foreach ((NarRenderOptions options, int most) in new[]
        {
            (new NarRenderOptions(), 40),
            (new NarRenderOptions { PrefetchBlobs = 7 }, 7),
            (new NarRenderOptions { PrefetchBytes = 520 }, 5),
            (new NarRenderOptions { PrefetchBytes = 0 }, 1),
        })
        {
            GatedBlobService blobs = new(tree.Blobs);
            Task<byte[]> rendering = RenderAsync(blobs, tree.Directories, root, options);
            Assert.That(blobs.Waiting, Is.EqualTo(most), "started without waiting for any");
            while (!rendering.IsCompleted)
            {
                blobs.Release();
                await Task.Yield();
            }

            Assert.That(await rendering, Is.EqualTo(expected));
            Assert.That(blobs.MostWaiting, Is.EqualTo(most));
            Assert.That(blobs.HandedOut, Has.Count.EqualTo(40));
            Assert.That(blobs.HandedOut, Has.All.Matches<BlobContent>(IsDisposed));
        }
    }

    [Test]
    public async Task Render_CancelledOrFailed_DisposesWhatWasFetched()
    {
        TestTree tree = new();
        List<(string, Node)> entries = [];
        for (int i = 0; i < 10; i++)
        {
            entries.Add(($"{i}", new Node.File(await tree.Blobs.PutAsync(new byte[100 + i]), (ulong)(100 + i), false)));
        }

        Node root = await tree.PutDirectoryAsync([.. entries]);
        using CancellationTokenSource cancellation = new();
        GatedBlobService blobs = new(tree.Blobs);
        foreach ((string name, Node node) in entries)
        {
            if (name is not ("0" or "1"))
            {
                blobs.Ready.Add(((Node.File)node).Digest);
            }
        }

        Task<ulong> rendering = new NarRenderer(blobs, tree.Directories).RenderAsync(root, new MemoryStream(), cancellation.Token);
        Assert.That(blobs.HandedOut, Is.Not.Empty, "the others are fetched while the first is waited for");
        await cancellation.CancelAsync();
        Assert.That(async () => await rendering, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(blobs.HandedOut, Has.All.Matches<BlobContent>(IsDisposed));
    }

    [TestCase(10)]
    [TestCase(100_000)]
    public async Task Render_BlobMissingOrOfAnotherLength_SaysWhich(int length)
    {
        byte[] contents = new byte[length];
        TestTree tree = new();
        B3Digest digest = await tree.Blobs.PutAsync(contents);
        Node.Directory inner = await tree.PutDirectoryAsync(("file", new Node.File(digest, (ulong)length, false)));
        Node.Directory root = await tree.PutDirectoryAsync(("a", inner), ("z", inner));
        NarRenderOptions options = new() { SmallBlobBytes = 1000 };
        foreach (byte[]? stored in new[] { null, contents[1..], [.. contents, 1], [] })
        {
            foreach (bool honest in new[] { true, false })
            {
                if (!honest && length != 100_000)
                {
                    continue;
                }

                LyingBlobService blobs = new(tree.Blobs, digest, stored, honest);
                StorageException? e = Assert.ThrowsAsync<StorageException>(() => RenderAsync(blobs, tree.Directories, root, options));
                Assert.That(e!.Message, Does.Contain(digest.ToString()).And.Contain("'a/file'"));
                await using SeekableNarStream stream = await SeekableNarStream.OpenAsync(root, blobs, tree.Directories);
                e = Assert.ThrowsAsync<StorageException>(() => stream.CopyToAsync(Stream.Null));
                Assert.That(e!.Message, Does.Contain(digest.ToString()));
            }
        }
    }

    [Test]
    public async Task Render_EmptyFileThatIsNotEmpty_Throws()
    {
        TestTree tree = await TestTree.FileAsync("not empty"u8.ToArray());
        Node.File claimed = (Node.File)tree.Root with { Size = 0 };
        Assert.ThrowsAsync<StorageException>(() => RenderAsync(tree.Blobs, tree.Directories, claimed));
    }

    [Test]
    public async Task Render_DirectoryMissing_SaysWhichAndWhere()
    {
        TestTree tree = new();
        Node.Directory missing = new(B3Digest.ParseHex(new string('a', 64)), 0);
        Node.Directory root = await tree.PutDirectoryAsync(("a", await tree.PutDirectoryAsync(("b", missing))));
        foreach (IDirectoryService directories in new IDirectoryService[] { tree.Directories, new AsyncDirectoryService(tree.Directories) })
        {
            StorageException? e = Assert.ThrowsAsync<StorageException>(() => RenderAsync(tree.Blobs, directories, root));
            Assert.That(e!.Message, Does.Contain(missing.Digest.ToString()).And.Contain("'a/b'"));
            e = Assert.ThrowsAsync<StorageException>(() => RenderAsync(tree.Blobs, directories, missing));
            Assert.That(e!.Message, Does.Contain(missing.Digest.ToString()).And.Contain("the root"));
            e = Assert.ThrowsAsync<StorageException>(async () => await new NarSizeCalculator(directories).CalculateAsync(root));
            Assert.That(e!.Message, Does.Contain(missing.Digest.ToString()));
            Assert.ThrowsAsync<StorageException>(async () => await SeekableNarStream.OpenAsync(root, tree.Blobs, directories));
            Assert.ThrowsAsync<StorageException>(async () => await SeekableNarStream.OpenAsync(missing, tree.Blobs, directories));
            Assert.ThrowsAsync<StorageException>(async () => await NarListing.CreateAsync(root, directories));
        }
    }

    [Test]
    public void Constructor_BadOptions_Throws()
    {
        foreach (NarRenderOptions options in new NarRenderOptions[]
        {
            new() { PrefetchBytes = -1 }, new() { PrefetchBlobs = -1 }, new() { SmallBlobBytes = -1 },
        })
        {
            Assert.Throws<ArgumentOutOfRangeException>(
                () => _ = new NarRenderer(new MemoryBlobService(), new MemoryDirectoryService(), options));
        }
    }

    private static bool IsDisposed(BlobContent content)
    {
        try
        {
            _ = content.Memory;
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }
}
