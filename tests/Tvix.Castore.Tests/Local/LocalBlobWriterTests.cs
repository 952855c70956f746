using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Chunking;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Castore.Tests.Chunking;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Local;

[TestFixture]
public sealed class LocalBlobWriterTests
{
    private TempFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    private LocalStore OpenStore(LocalCompression compression, Action<PackOperation>? faults = null) => new(new LocalStoreOptions
    {
        Path = _folder["store"], Compression = compression, AverageChunkSize = 16 << 10, FaultInjection = faults,
    });

    [Test]
    public async Task WriteLent_BuffersChangeWhenTheyAreGivenBack_StoresWhatTheyHeld(
        [Values] LocalCompression compression, [Values(100, 70_000, 1 << 20, 9 << 20)] int piece)
    {
        byte[] data = TestData.Lcg(5, 10_000_019);
        await using LocalStore store = OpenStore(compression);
        Queue<(byte[] Buffer, Task Lent)> lent = new();
        B3Digest digest;
        await using (BlobWriter writer = await store.Blobs.OpenWriteAsync())
        {
            for (int start = 0; start < data.Length; start += piece)
            {
                byte[] buffer = data[start..Math.Min(start + piece, data.Length)];
                lent.Enqueue((buffer, await writer.WriteLentAsync(buffer)));
                while (lent.TryPeek(out (byte[] Buffer, Task Lent) first) && first.Lent.IsCompleted)
                {
                    lent.Dequeue().Buffer.AsSpan().Fill(0xAA);
                }
            }

            digest = await writer.CompleteAsync();
        }

        Assert.That(digest, Is.EqualTo(Blake3Hasher.HashData(data)));
        Assert.That((await store.Blobs.GetChunksAsync(digest))!.Select(chunk => (int)chunk.Size), Is.EqualTo(Cut(data, store.Chunking)));
        using BlobContent content = (await store.Blobs.ReadAsync(digest, data.Length))!;
        Assert.That(content.Memory.Span.SequenceEqual(data));
    }

    [Test]
    public async Task Write_PieceOfManyEqualChunks_StoresTheChunkOnce()
    {
        await using LocalStore store = OpenStore(LocalCompression.None);
        B3Digest digest = await store.Blobs.PutAsync(new byte[8 << 20]);
        Assert.That((await store.Blobs.GetChunksAsync(digest))!.Select(chunk => chunk.Digest).Distinct().Count(), Is.EqualTo(1));
        long packs = Directory.EnumerateFiles(_folder["store/packs"], "*.pack").Sum(file => new FileInfo(file).Length);
        Assert.That(packs, Is.LessThan(200 << 10));
    }

    [Test]
    public async Task WriteLent_StoreFails_TellsAndLetsGoOfTheBuffers()
    {
        bool fails = false;
        byte[] data = TestData.Lcg(6, 3 << 20);
        await using LocalStore store = OpenStore(LocalCompression.None, operation =>
        {
            if (fails && operation == PackOperation.Write)
            {
                throw new IOException("no space");
            }
        });
        await using (BlobWriter writer = await store.Blobs.OpenWriteAsync())
        {
            fails = true;
            Task lent = await writer.WriteLentAsync(data);
            Assert.ThrowsAsync<StorageException>(async () => await lent);
            Assert.ThrowsAsync<StorageException>(async () => await writer.WriteLentAsync(data));
            Assert.ThrowsAsync<StorageException>(async () => await writer.CompleteAsync());
        }

        fails = false;
        B3Digest digest = await store.Blobs.PutAsync(data);
        Assert.That(await store.Blobs.HasAsync(digest));
    }

    private static List<int> Cut(ReadOnlySpan<byte> data, ChunkingParameters parameters)
    {
        List<int> lengths = [];
        while (!data.IsEmpty)
        {
            lengths.Add(FastCdc.Cut(data, parameters));
            data = data[lengths[^1]..];
        }

        return lengths;
    }
}
