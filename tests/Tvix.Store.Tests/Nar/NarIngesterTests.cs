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
public sealed class NarIngesterTests
{
    private static readonly NarIngestOptions Tiny = new() { SmallFileBytes = 40, BatchBytes = 60, BatchesInFlight = 2 };

    [FsCheck.NUnit.Property(MaxTest = 200, Replay = "1,3")]
    public void Ingest_AnyTree_GivesItsRootAndDigest(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            TestTree tree = await TestTree.RandomAsync(seed, seed % 4 == 0 ? 400_000 : 300);
            NarIngestOptions knowing = new() { ExpectedSize = (ulong)tree.Nar.Length, ExpectedSha256 = Sha256Digest.Compute(tree.Nar) };
            int piece = 100 + (int)((uint)seed % 50_000);
            for (int how = 0; how < 4; how++)
            {
                MemoryBlobService blobs = new();
                MemoryDirectoryService directories = new();
                NarIngester ingester = new(blobs, directories);
                NarIngestResult result = await (how switch
                {
                    0 => ingester.IngestAsync(new MemoryStream(tree.Nar)),
                    1 => ingester.IngestAsync(new SplitStream(tree.Nar, seed, piece), Tiny),
                    2 => ingester.IngestAsync(NarDump.Pipe(tree.Nar, seed, piece), knowing),
                    _ => ingester.IngestAsync(new MemoryStream(tree.Nar), new NarIngestOptions { Embedded = true }),
                });
                Assert.That(result, Is.EqualTo(new NarIngestResult(tree.Root, knowing.ExpectedSize.Value, knowing.ExpectedSha256.Value)));

                MemoryStream rendered = new();
                await new NarRenderer(blobs, directories).RenderAsync(result.Root, rendered);
                Assert.That(rendered.ToArray().AsSpan().SequenceEqual(tree.Nar));
            }
        }
    }

    [Test]
    public async Task Ingest_Embedded_LeavesWhatFollows()
    {
        byte[] followed = [.. NarBytes.Complicated, .. "what follows"u8];
        MemoryStream stream = new(followed);
        NarIngester ingester = new(new MemoryBlobService(), new MemoryDirectoryService());
        NarIngestOptions options = new() { Embedded = true, ExpectedSize = 840 };
        NarIngestResult result = await ingester.IngestAsync(stream, options);
        Assert.That(stream.Position, Is.EqualTo(840));
        Assert.That(result.NarSha256, Is.EqualTo(Sha256Digest.Compute(NarBytes.Complicated)));

        PipeReader pipe = NarDump.Pipe(followed, 1, 100);
        Assert.That(await ingester.IngestAsync(pipe, options), Is.EqualTo(result));
        Assert.That((await pipe.ReadAtLeastAsync(12)).Buffer.Length, Is.EqualTo(12));
    }

    [Test]
    public async Task Ingest_ManyFiles_KeepsFewBatchesInFlight()
    {
        byte[][] entries = [.. Enumerable.Range(0, 500).Select(i => NarBytes.Entry($"{i:d4}", NarBytes.File($"contents {i}")))];
        byte[] nar = NarBytes.Archive(NarBytes.Directory(entries));
        CountingBlobService blobs = new();
        NarIngestResult result = await new NarIngester(blobs, new MemoryDirectoryService()).IngestAsync(new MemoryStream(nar), Tiny);
        Assert.That(blobs.MostAtOnce, Is.LessThanOrEqualTo(2));
        Assert.That(blobs.MostBytes, Is.LessThanOrEqualTo(60));
        Assert.That(blobs.Batches, Is.GreaterThan(80));
        Assert.That(((Node.Directory)result.Root).Size, Is.EqualTo(1000));
    }

    [TestCaseSource(typeof(MalformedNars), nameof(MalformedNars.Cases))]
    public void Ingest_Malformed_FailsAndStoresNoDirectory(byte[] nar, NarError error)
    {
        CountingDirectoryService directories = new();
        NarFormatException? e = Assert.ThrowsAsync<NarFormatException>(
            () => new NarIngester(new MemoryBlobService(), directories).IngestAsync(new MemoryStream(nar)));
        Assert.That(e!.Error, Is.EqualTo(error));
        Assert.That(directories.Puts, Is.Zero);
    }

    [Test]
    public void Ingest_AnotherHash_FailsAndStoresNoDirectory()
    {
        CountingDirectoryService directories = new();
        NarIngester ingester = new(new MemoryBlobService(), directories);
        Sha256Digest expected = Sha256Digest.Compute("something else"u8);
        NarHashMismatchException? e = Assert.ThrowsAsync<NarHashMismatchException>(
            () => ingester.IngestAsync(new MemoryStream(NarBytes.Complicated), new NarIngestOptions { ExpectedSha256 = expected }));
        Assert.That(e!.Kind, Is.EqualTo(NarMismatch.NarHash));
        Assert.That(e.Expected, Is.EqualTo(expected.ToNixHash()));
        Assert.That(e.Actual, Is.EqualTo(Sha256Digest.Compute(NarBytes.Complicated).ToNixHash()));
        Assert.That(directories.Puts, Is.Zero);
    }

    [TestCase(832)]
    [TestCase(848)]
    [TestCase(0)]
    public void Ingest_AnotherSize_Fails(int size)
    {
        CountingDirectoryService directories = new();
        NarIngester ingester = new(new MemoryBlobService(), directories);
        NarHashMismatchException? e = Assert.ThrowsAsync<NarHashMismatchException>(
            () => ingester.IngestAsync(new MemoryStream(NarBytes.Complicated), new NarIngestOptions { ExpectedSize = (ulong)size }));
        Assert.That(e!.Kind, Is.EqualTo(NarMismatch.Size));
        Assert.That(directories.Puts, Is.Zero);
    }

    [Test]
    public void Ingest_FileLongerThanExpected_FailsBeforeItIsRead()
    {
        MemoryStream stream = new([.. NarBytes.Archive(NarBytes.File(new byte[10_000_000]))]);
        NarIngester ingester = new(new MemoryBlobService(), new MemoryDirectoryService());
        Assert.ThrowsAsync<NarHashMismatchException>(() => ingester.IngestAsync(stream, new NarIngestOptions { ExpectedSize = 1_000_000 }));
        Assert.That(stream.Position, Is.LessThan(1_000_000));
    }

    [Test]
    public async Task Ingest_ContentAddress_IsChecked()
    {
        NarIngester ingester = new(new MemoryBlobService(), new MemoryDirectoryService());
        NixHash sha256 = NixHash.Parse("sha256:ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a");
        NixHash md5 = NixHash.Parse("md5:ed076287532e86365e841e92bfc50d8c");
        NixHash sha1 = NixHash.Parse("sha1:424eeaaa9cc016bab030bf007cb1be6483e7ba9e");
        await IngestAsync(NarBytes.Complicated, ContentAddress.Nar(sha256));
        await IngestAsync(NarBytes.Hello, ContentAddress.Flat(md5));
        await IngestAsync(NarBytes.Symlink, ContentAddress.Nar(sha1));
        await IngestAsync(NarBytes.Hello, ContentAddress.Text(Sha256Digest.Compute("Hello World!"u8)));
        await IngestAsync(NarBytes.Exec, ContentAddress.Flat(NixHash.Compute(NixHashAlgorithm.Sha512, "#!/bin/sh\necho hi\n"u8)));
        byte[] large = new byte[500_000];
        await IngestAsync(NarBytes.Archive(NarBytes.File(large)), ContentAddress.Flat(NixHash.Compute(NixHashAlgorithm.Sha1, large)));

        NixHash another = NixHash.Parse("sha256:0bd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a");
        await FailAsync(NarBytes.Complicated, ContentAddress.Nar(another));
        await FailAsync(NarBytes.Hello, ContentAddress.Flat(NixHash.Parse("md5:0d076287532e86365e841e92bfc50d8c")));
        await FailAsync(NarBytes.Symlink, ContentAddress.Nar(NixHash.Parse("sha1:024eeaaa9cc016bab030bf007cb1be6483e7ba9e")));
        await FailAsync(NarBytes.Hello, ContentAddress.Text(Sha256Digest.Compute("Hello World"u8)));
        await FailAsync(NarBytes.Complicated, ContentAddress.Flat(md5), NarMismatch.RootType);
        await FailAsync(NarBytes.Symlink, ContentAddress.Flat(md5), NarMismatch.RootType);
        await FailAsync(NarBytes.Exec, ContentAddress.Text(Sha256Digest.Compute("#!/bin/sh\necho hi\n"u8)), NarMismatch.RootType);
        // The contents of a file below the root are not the root's.
        byte[] below = NarBytes.Archive(NarBytes.Directory(NarBytes.Entry("a", NarBytes.File("Hello World!"))));
        await FailAsync(below, ContentAddress.Flat(md5), NarMismatch.RootType);

        Task<NarIngestResult> IngestAsync(byte[] nar, ContentAddress address) =>
            ingester.IngestAsync(new MemoryStream(nar), new NarIngestOptions { ExpectedContentAddress = address });

        Task FailAsync(byte[] nar, ContentAddress address, NarMismatch kind = NarMismatch.ContentAddress)
        {
            NarHashMismatchException? e = Assert.ThrowsAsync<NarHashMismatchException>(() => IngestAsync(nar, address));
            Assert.That(e!.Kind, Is.EqualTo(kind));
            return Task.CompletedTask;
        }
    }

    [Test]
    public async Task Ingest_TreeWithItsOwnPath_HasItsAddressModuloThePath()
    {
        StorePathDigest self = StorePathDigest.Parse("a17ah642xc653fw8pfw4kxqcgzjm5qi0");
        byte[] nar = NarBytes.Archive(NarBytes.File($"I am /nix/store/{self}-me."));
        int at = nar.AsSpan().IndexOf(NarBytes.Raw(self.ToString()));
        byte[] zeroed = [.. nar];
        zeroed.AsSpan(at, 32).Clear();
        ContentAddress address = ContentAddress.Nar(Sha256Digest.Compute([.. zeroed, .. NarBytes.Raw($"|{at}")]));
        NarIngester ingester = new(new MemoryBlobService(), new MemoryDirectoryService());
        NarIngestOptions options = new() { ExpectedContentAddress = address, SelfReference = self };
        NarIngestResult result = await ingester.IngestAsync(new MemoryStream(nar), options);
        Assert.That(result.NarSha256, Is.EqualTo(Sha256Digest.Compute(nar)));
        options.SelfReference = null;
        Assert.ThrowsAsync<NarHashMismatchException>(() => ingester.IngestAsync(new MemoryStream(nar), options));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Ingest_StoreFails_LetsTheErrorThrough(bool large)
    {
        byte[] nar = NarBytes.Archive(NarBytes.Directory(NarBytes.Entry("a", NarBytes.File(new byte[large ? 300_000 : 10]))));
        CountingDirectoryService directories = new();
        NarIngester ingester = new(new FailingBlobService(), directories);
        Assert.ThrowsAsync<StorageException>(() => ingester.IngestAsync(new MemoryStream(nar)));
        Assert.That(directories.Puts, Is.Zero);
    }

    [Test]
    public void Ingest_Cancelled_Throws()
    {
        NarIngester ingester = new(new MemoryBlobService(), new MemoryDirectoryService());
        Assert.That(
            async () => await ingester.IngestAsync(new MemoryStream(NarBytes.Hello), null, new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void Ingest_BadOptions_Throws()
    {
        NarIngester ingester = new(new MemoryBlobService(), new MemoryDirectoryService());
        foreach (NarIngestOptions options in new NarIngestOptions[]
        {
            new() { BatchBytes = 100 }, new() { BatchesInFlight = 0 }, new() { SmallFileBytes = -1 }, new() { MaxDepth = -1 },
        })
        {
            Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => ingester.IngestAsync(new MemoryStream(NarBytes.Hello), options));
        }
    }

    private sealed class CountingBlobService : IBlobService
    {
        private readonly MemoryBlobService _inner = new();
        private readonly Lock _lock = new();
        private int _atOnce;

        public int MostAtOnce { get; private set; }

        public int MostBytes { get; private set; }

        public int Batches { get; private set; }

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            _inner.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            _inner.OpenReadAsync(digest, cancellationToken);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) =>
            _inner.OpenWriteAsync(cancellationToken);

        public async ValueTask PutManyAsync(
            IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default)
        {
            lock (_lock)
            {
                Batches++;
                MostAtOnce = Math.Max(MostAtOnce, ++_atOnce);
                MostBytes = Math.Max(MostBytes, contents.Sum(c => c.Length));
            }

            await Task.Yield();
            await _inner.PutManyAsync(contents, digests, cancellationToken);
            lock (_lock)
            {
                _atOnce--;
            }
        }
    }

    private sealed class CountingDirectoryService : IDirectoryService
    {
        public int Puts { get; private set; }

        public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            new((CastoreDirectory?)null);

        public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
        {
            Puts++;
            return new(directory.Digest);
        }
    }

    private sealed class FailingBlobService : IBlobService
    {
        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => throw Broken();

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) => throw Broken();

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => throw Broken();

        private static StorageException Broken() => new("The disk is full.");
    }
}
