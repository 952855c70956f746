using System.IO.Pipelines;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Compression;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class NarRendererZstdTests
{
    private TempFolder _folder = null!;
    private LocalStore _compressed = null!;
    private LocalStore _raw = null!;

    [OneTimeSetUp]
    public void MakeStores()
    {
        _folder = new TempFolder();
        _compressed = Open("compressed", LocalCompression.Zstd);
        _raw = Open("raw", LocalCompression.None);
    }

    [OneTimeTearDown]
    public async Task DropStores()
    {
        await _compressed.DisposeAsync();
        await _raw.DisposeAsync();
        _folder.Dispose();
    }

    [FsCheck.NUnit.Property(MaxTest = 60, Replay = "(5,3)")]
    public void RenderZstd_AnyTree_DecompressesToItsNar(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            TestTree tree = await TestTree.RandomAsync(seed, seed % 3 == 0 ? 200_000 : 500);
            foreach (LocalStore store in (LocalStore[])[_compressed, _raw])
            {
                await new NarIngester(store.Blobs, store.Directories).IngestAsync(new MemoryStream(tree.Nar));
                Assert.That((await RenderAsync(new NarRenderer(store.Blobs, store.Directories), tree.Root, tree.Nar.Length)).AsSpan().SequenceEqual(tree.Nar));
            }

            Assert.That((await RenderAsync(new NarRenderer(tree.Blobs, tree.Directories), tree.Root, tree.Nar.Length)).AsSpan().SequenceEqual(tree.Nar));
        }
    }

    [Test]
    public async Task RenderZstd_FromAStoreThatCompresses_PassesItsFramesOn()
    {
        byte[] text = [.. Enumerable.Range(0, 10_000).Select(i => (byte)(i % 11))];
        B3Digest digest = await _compressed.Blobs.PutAsync(text);
        MemoryStream output = new();
        ulong size = await new NarRenderer(_compressed.Blobs, _compressed.Directories).RenderZstdAsync(new Node.File(digest, 10_000, false), PipeWriter.Create(output));
        using StoredPiece piece = (await ((IStoredPieceSource)_compressed.Blobs).ReadStoredAsync(digest))!;
        Assert.That(output.ToArray().AsSpan().IndexOf(piece.Memory.Span), Is.Positive);
        Assert.That(size, Is.EqualTo((ulong)Zstd.Decompress(output.ToArray(), 100_000).Length));
    }

    [Test]
    public void RenderZstd_OfWhatIsMissing_Throws()
    {
        B3Digest missing = new([.. Enumerable.Repeat((byte)9, 32)]);
        foreach (Node root in (Node[])[new Node.File(missing, 5, false), new Node.Directory(missing, 5)])
        {
            Assert.That(async () => await RenderAsync(new NarRenderer(_raw.Blobs, _raw.Directories), root, 0), Throws.InstanceOf<StorageException>());
            Assert.That(async () => await RenderAsync(new NarRenderer(new MemoryBlobService(), _raw.Directories), root, 0), Throws.InstanceOf<StorageException>());
        }
    }

    [TestCase(100)]
    [TestCase(200_000)]
    public async Task RenderZstd_OfAFileOfAnotherLength_Throws(int length)
    {
        B3Digest digest = await _compressed.Blobs.PutAsync(new byte[length]);
        foreach (ulong size in (ulong[])[0, (ulong)length - 1, (ulong)length + 1])
        {
            Assert.That(
                async () => await RenderAsync(new NarRenderer(_compressed.Blobs, _compressed.Directories), new Node.File(digest, size, false), 0),
                Throws.InstanceOf<StorageException>().With.Message.Contain("does not have"));
        }
    }

    [Test]
    public async Task RenderZstd_ThatFails_LeavesNoWholeStream()
    {
        // From memory: what was compressed before the failure must not look complete.
        TestTree tree = new();
        byte[] bytes = new byte[500_000];
        new Random(1).NextBytes(bytes);
        Node.Directory root = await tree.PutDirectoryAsync(
            ("a", new Node.File(await tree.Blobs.PutAsync(bytes), (ulong)bytes.Length, false)), ("b", new Node.File(new B3Digest(new byte[32]), 5, false)));
        MemoryStream output = new();
        PipeWriter pipe = PipeWriter.Create(output);
        Assert.That(async () => await new NarRenderer(tree.Blobs, tree.Directories).RenderZstdAsync(root, pipe), Throws.InstanceOf<StorageException>());
        await pipe.FlushAsync();
        Assert.That(() => Zstd.Decompress(output.ToArray(), 10 << 20), Throws.InstanceOf<InvalidDataException>());
    }

    [Test]
    public void RenderZstd_Cancelled_Stops() => Assert.That(
        async () => await new NarRenderer(_raw.Blobs, _raw.Directories).RenderZstdAsync(
            new Node.Symlink(new SymlinkTarget("x")), PipeWriter.Create(Stream.Null), new CancellationToken(true)),
        Throws.InstanceOf<OperationCanceledException>());

    private LocalStore Open(string name, LocalCompression compression) =>
        new(new LocalStoreOptions { Path = _folder[name], Compression = compression, AverageChunkSize = 16 * 1024, Durability = LocalDurability.OperatingSystem });

    private static async Task<byte[]> RenderAsync(NarRenderer renderer, Node root, int expected)
    {
        MemoryStream output = new();
        ulong size = await renderer.RenderZstdAsync(root, PipeWriter.Create(output));
        Assert.That(size, Is.EqualTo((ulong)expected));
        return Zstd.Decompress(output.ToArray(), expected);
    }
}
