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

    /// <summary>Whatever the sizes of files and chunks, no more is read ahead than the budget allows.</summary>
    [Test]
    public async Task Render_FromAStoreAtHand_ReadsAheadWithinTheBudget(
        [Values(100_000, 256 << 10, 1 << 20)] int pieceSize, [Values] bool inChunks, [Values] bool zstd, [Values(0, 1 << 20, 32 << 20)] int budget)
    {
        TestTree tree = new();
        GatedStore store = new();
        List<(string, Node)> entries = [];
        for (int i = 0; i < 3; i++)
        {
            List<BlobChunk> pieces = [];
            for (int j = 0; j < 10; j++)
            {
                byte[] piece = new byte[pieceSize];
                new Random((100 * i) + j).NextBytes(piece);
                pieces.Add(new BlobChunk(await store.Blobs.PutAsync(piece), (ulong)pieceSize));
            }

            if (inChunks)
            {
                B3Digest whole = B3Digest.Parse("blake3-" + Convert.ToBase64String([.. Enumerable.Repeat((byte)i, 32)]));
                store.Chunks[whole] = pieces;
                entries.Add(($"{i}", new Node.File(whole, (ulong)pieceSize * 10, false)));
            }
            else
            {
                entries.AddRange(pieces.Select((piece, j) => ($"{i}{j}", (Node)new Node.File(piece.Digest, piece.Size, false))));
            }
        }

        Node.Directory root = await tree.PutDirectoryAsync([.. entries]);
        CountingStream output = new();
        NarRenderer renderer = new(store, tree.Directories, new NarRenderOptions { PrefetchBytes = budget });
        long mostAhead = 0;
        store.Asked = asked => mostAhead = Math.Max(mostAhead, asked - output.Written);
        Task<ulong> rendering = zstd ? renderer.RenderZstdAsync(root, PipeWriter.Create(output)) : renderer.RenderAsync(root, output);
        store.Gate.SetResult(); // by now, it has asked for all that it wants before it goes on
        Assert.That(await rendering, Is.GreaterThan(30 * (ulong)pieceSize));

        // What is ahead, what is being written, and what is in the writer's buffer.
        Assert.That(mostAhead, Is.LessThanOrEqualTo(budget + (2 * pieceSize) + (256 << 10)));
        if (budget == 32 << 20)
        {
            Assert.That(mostAhead, Is.GreaterThan(2 * pieceSize), "it does read ahead");
        }
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

    /// <summary>A store at hand, which answers nothing before its gate is open.</summary>
    private sealed class GatedStore : IBlobService, IStoredPieceSource
    {
        private readonly Lock _lock = new();
        private long _asked;

        public MemoryBlobService Blobs { get; } = new();

        public Dictionary<B3Digest, IReadOnlyList<BlobChunk>> Chunks { get; } = [];

        public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Is told how many bytes were asked for so far.</summary>
        public Action<long> Asked { get; set; } = _ => { };

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => Blobs.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            Chunks.TryGetValue(digest, out IReadOnlyList<BlobChunk>? chunks) ? new(new ChunkedBlobStream(Blobs, chunks)) : Blobs.OpenReadAsync(digest, cancellationToken);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => Blobs.OpenWriteAsync(cancellationToken);

        public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            new(Chunks.GetValueOrDefault(digest, []));

        public async ValueTask ReadManyAsync(IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken = default)
        {
            await AskAsync(blobs);
            await ((IBlobService)Blobs).ReadManyAsync(blobs, contents, cancellationToken);
        }

        public async ValueTask<StoredPiece?> ReadStoredAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            await ((IBlobService)Blobs).ReadAsync(digest, int.MaxValue, cancellationToken) is { } content ? new StoredPiece(content) : null;

        public async ValueTask ReadStoredManyAsync(IReadOnlyList<BlobChunk> blobs, Memory<StoredPiece?> pieces, CancellationToken cancellationToken = default)
        {
            await AskAsync(blobs);
            for (int i = 0; i < blobs.Count; i++)
            {
                StoredPiece? piece = await ReadStoredAsync(blobs[i].Digest, cancellationToken);
                pieces.Span[i] = piece;
            }
        }

        private Task AskAsync(IReadOnlyList<BlobChunk> blobs)
        {
            lock (_lock)
            {
                _asked += blobs.Sum(blob => (long)blob.Size);
                Asked(_asked);
            }

            return Gate.Task;
        }
    }

    /// <summary>Counts what it gets.</summary>
    private sealed class CountingStream : MemoryStream
    {
        private long _written;

        public long Written => Volatile.Read(ref _written);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Interlocked.Add(ref _written, buffer.Length);
            return ValueTask.CompletedTask;
        }
    }

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
