using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Compression;
using Tvix.Castore.Composition;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Local;

/// <summary>The chunks of a <see cref="LocalStore"/> as they are kept.</summary>
[TestFixture]
public sealed class StoredPieceTests : StoreFixture
{
    private static readonly byte[] s_text = [.. Enumerable.Range(0, 5000).Select(i => (byte)('a' + (i % 7)))];

    [TestCase(LocalCompression.Zstd, true)]
    [TestCase(LocalCompression.None, false)]
    public async Task ReadStored_OfWhatCompresses_IsWhatIsKept(LocalCompression compression, bool isFrame)
    {
        await using LocalStore store = Open(options => options.Compression = compression);
        B3Digest digest = await store.Blobs.PutAsync(s_text);
        using StoredPiece piece = (await SourceOf(store).ReadStoredAsync(digest))!;
        Assert.That((piece.IsZstdFrame, piece.Size), Is.EqualTo((isFrame, s_text.Length)));
        Assert.That(isFrame ? Zstd.Decompress(piece.Memory.Span, s_text.Length) : piece.Memory.ToArray(), Is.EqualTo(s_text));
    }

    [TestCase(0)]
    [TestCase(255)]
    [TestCase(20_000)]
    public async Task ReadStored_OfWhatDoesNotCompress_IsTheBlob(int length)
    {
        await using LocalStore store = Open(options => options.Compression = LocalCompression.Zstd);
        byte[] bytes = SampleData.Bytes(length, 3);
        using StoredPiece piece = (await SourceOf(store).ReadStoredAsync(await store.Blobs.PutAsync(bytes)))!;
        Assert.That((piece.IsZstdFrame, piece.Size), Is.EqualTo((false, length)));
        Assert.That(piece.Memory.ToArray(), Is.EqualTo(bytes));
    }

    [Test]
    public async Task ReadStored_OfABlobOfSeveralChunks_IsForEachOfThem()
    {
        await using LocalStore store = Open(options => options.Compression = LocalCompression.Zstd);
        byte[] bytes = [.. SampleData.Bytes(100_000, 4), .. new byte[100_000]];
        B3Digest digest = await store.Blobs.PutAsync(bytes);
        Assert.That(await SourceOf(store).ReadStoredAsync(digest), Is.Null);
        MemoryStream all = new();
        foreach (BlobChunk chunk in (await store.Blobs.GetChunksAsync(digest))!)
        {
            using StoredPiece piece = (await SourceOf(store).ReadStoredAsync(chunk.Digest))!;
            Assert.That((ulong)piece.Size, Is.EqualTo(chunk.Size));
            all.Write(piece.IsZstdFrame ? Zstd.Decompress(piece.Memory.Span, piece.Size) : piece.Memory.Span);
        }

        Assert.That(all.ToArray(), Is.EqualTo(bytes));
    }

    [Test]
    public async Task ReadStored_OfWhatIsNotThere_IsNull()
    {
        await using LocalStore store = Open();
        Assert.That(await SourceOf(store).ReadStoredAsync(new B3Digest(new byte[32])), Is.Null);
        Assert.That(async () => await SourceOf(store).ReadStoredAsync(default, new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task ReadStored_OfADamagedRecord_Throws()
    {
        await using LocalStore store = Open(options => options.Compression = LocalCompression.Zstd);
        B3Digest digest = await store.Blobs.PutAsync(s_text);
        byte[] record = await File.ReadAllBytesAsync(Packs.Single());
        foreach (int at in (int[])[0, 4, 20, 40, RecordHeader.Size - 1, RecordHeader.Size, RecordHeader.Size + 5])
        {
            byte[] damaged = [.. record];
            damaged[at] ^= 0x10;
            await File.WriteAllBytesAsync(Packs.Single(), damaged);
            Assert.That(async () => await SourceOf(store).ReadStoredAsync(digest), Throws.InstanceOf<DigestMismatchException>(), $"byte {at} of {record.Length}");
        }

        await File.WriteAllBytesAsync(Packs.Single(), record[..^1]);
        Assert.That(async () => await SourceOf(store).ReadStoredAsync(digest), Throws.InstanceOf<DigestMismatchException>(), "the end is missing");

        // What is inside a block is left to whoever decompresses it.
        byte[] inside = [.. record];
        inside[^3] ^= 0x10;
        await File.WriteAllBytesAsync(Packs.Single(), inside);
        using StoredPiece piece = (await SourceOf(store).ReadStoredAsync(digest))!;
        Assert.That(piece.IsZstdFrame, Is.True);
        Assert.That(async () => await store.Blobs.ReadAsync(digest, 10_000), Throws.InstanceOf<DigestMismatchException>());
    }

    [Test]
    public async Task ReadStored_OfADamagedRawChunk_Throws()
    {
        await using LocalStore store = Open();
        B3Digest digest = await store.Blobs.PutAsync(s_text);
        byte[] record = await File.ReadAllBytesAsync(Packs.Single());
        record[^1] ^= 1;
        await File.WriteAllBytesAsync(Packs.Single(), record);
        Assert.That(async () => await SourceOf(store).ReadStoredAsync(digest), Throws.InstanceOf<DigestMismatchException>());
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task ReadStoredMany_AnyMixture_GivesWhatReadStoredGives(bool byDefault)
    {
        await using LocalStore store = Open(options => options.Compression = LocalCompression.Zstd);
        IStoredPieceSource source = byDefault ? new OneByOne(SourceOf(store)) : SourceOf(store);
        byte[] random = SampleData.Bytes(5000, 1);
        byte[] large = SampleData.Bytes(3_000_000, 2); // in several chunks
        List<BlobChunk> asked = [];
        foreach (byte[] content in (byte[][])[s_text, random, large, [1], s_text])
        {
            asked.Add(new BlobChunk(await store.Blobs.PutAsync(content), (ulong)content.Length));
        }

        asked.Insert(2, new BlobChunk(new B3Digest(new byte[32]), 7)); // not there
        asked.Add(asked[1] with { Size = 6000 }); // shorter than the caller is ready for
        StoredPiece?[] pieces = new StoredPiece?[asked.Count + 1];
        await source.ReadStoredManyAsync(asked, pieces);
        for (int i = 0; i < asked.Count; i++)
        {
            using StoredPiece? expected = await SourceOf(store).ReadStoredAsync(asked[i].Digest);
            Assert.That(pieces[i]?.IsZstdFrame, Is.EqualTo(expected?.IsZstdFrame), $"{i}");
            Assert.That(pieces[i]?.Size, Is.EqualTo(expected?.Size), $"{i}");
            Assert.That(pieces[i]?.Memory.ToArray(), Is.EqualTo(expected?.Memory.ToArray()), $"{i}");
            pieces[i]?.Dispose();
        }

        Assert.That(pieces.Select(piece => piece is not null), Is.EqualTo(new[] { true, true, false, false, true, true, true, false }));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task ReadStoredMany_OfABlobThatIsTooLong_ThrowsAndHoldsNothing(bool byDefault)
    {
        await using LocalStore store = Open(options => options.Compression = LocalCompression.Zstd);
        IStoredPieceSource source = byDefault ? new OneByOne(SourceOf(store)) : SourceOf(store);
        B3Digest digest = await store.Blobs.PutAsync(s_text);
        StoredPiece?[] pieces = new StoredPiece?[2];
        Assert.That(
            async () => await source.ReadStoredManyAsync([new BlobChunk(digest, (ulong)s_text.Length), new BlobChunk(digest, (ulong)s_text.Length - 1)], pieces),
            Throws.TypeOf<BlobTooLongException>().With.Property(nameof(BlobTooLongException.Size)).EqualTo(s_text.Length));
        Assert.That(pieces, Is.All.Null);
        Assert.That(async () => await source.ReadStoredManyAsync([new BlobChunk(digest, 1)], default), Throws.InstanceOf<ArgumentException>());
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task ReadStoredMany_OfADamagedRecord_ThrowsAndHoldsNothing(bool compressed)
    {
        await using LocalStore store = Open(options => options.Compression = compressed ? LocalCompression.Zstd : LocalCompression.None);
        BlobChunk first = new(await store.Blobs.PutAsync(s_text), (ulong)s_text.Length);
        byte[] record = await File.ReadAllBytesAsync(Packs.Single());
        byte[] other = [.. s_text, .. s_text];
        BlobChunk second = new(await store.Blobs.PutAsync(other), (ulong)other.Length);
        byte[] both = await File.ReadAllBytesAsync(Packs.Single());
        foreach (int at in (int[])[.. compressed ? (int[])[0, 4, 20, 40, RecordHeader.Size - 1, RecordHeader.Size] : [], RecordHeader.Size + 5])
        {
            byte[] damaged = [.. both];
            damaged[record.Length + at] ^= 0x10;
            await File.WriteAllBytesAsync(Packs.Single(), damaged);
            StoredPiece?[] pieces = new StoredPiece?[2];
            Assert.That(
                async () => await SourceOf(store).ReadStoredManyAsync([first, second], pieces), Throws.InstanceOf<DigestMismatchException>(), $"byte {at}");
            Assert.That(pieces, Is.All.Null);
        }
    }

    private sealed class OneByOne(IStoredPieceSource inner) : IStoredPieceSource
    {
        public ValueTask<StoredPiece?> ReadStoredAsync(B3Digest digest, CancellationToken cancellationToken = default) => inner.ReadStoredAsync(digest, cancellationToken);
    }

    [Test]
    public async Task Dispose_Twice_GivesTheMemoryBackOnce()
    {
        await using LocalStore store = Open();
        StoredPiece piece = (await SourceOf(store).ReadStoredAsync(await store.Blobs.PutAsync(s_text)))!;
        piece.Dispose();
        piece.Dispose();
        Assert.That(() => piece.Memory, Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Constructor_OfUncompressedBytesOfAnotherLength_Throws() => Assert.That(
        () => new StoredPiece(BlobContent.Rent(5), new byte[5], 6, isZstdFrame: false), Throws.ArgumentException);

    private static IStoredPieceSource SourceOf(LocalStore store) => ServiceCapabilities.Find<IStoredPieceSource>(store.Blobs)!;
}
