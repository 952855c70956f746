using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Blobs;

[TestFixture]
[TestOf(typeof(CombinedBlobService))]
public sealed class CombinedBlobServiceTests
{
    private static readonly byte[] Content = SampleData.Bytes(5000);

    [Test]
    public async Task OpenRead_OnlyFar_IsReadByChunksAndNotCopied()
    {
        MemoryBlobService near = new();
        ChunkingTestBlobService far = new(1000);
        B3Digest digest = await ((IBlobService)far).PutAsync(Content);
        CombinedBlobService combined = new(near, far);

        Assert.That(await ReadAllAsync(combined, digest), Is.EqualTo(Content));
        Assert.That(
            far.Calls, Has.Count.EqualTo(5).And.None.Contains(digest.ToString()), "the chunks are fetched, each once, not the whole");
        Assert.That(await near.HasAsync(digest), Is.False);
        Assert.That(await near.HasAsync(Blake3Hasher.HashData(Content.AsSpan(0, 1000))), Is.False);
    }

    [Test]
    public async Task OpenRead_SomeChunksNear_FetchesOnlyTheOthers()
    {
        MemoryBlobService near = new();
        ChunkingTestBlobService far = new(1000);
        B3Digest digest = await ((IBlobService)far).PutAsync(Content);
        await near.PutAsync(Content.AsMemory(0, 1000));
        B3Digest third = await near.PutAsync(Content.AsMemory(2000, 1000));
        CombinedBlobService combined = new(near, far);

        Assert.That(await ReadAllAsync(combined, digest), Is.EqualTo(Content));
        Assert.That(far.Calls, Has.Count.EqualTo(3).And.None.Contains(third.ToString()));
    }

    [TestCase(0, 1, 2)] // other bytes
    [TestCase(1, 0)]
    [TestCase(0, 2)] // none of the last
    [TestCase(2, 2)] // nothing at all
    public async Task OpenRead_ListOfOtherChunks_DoesNotEndWell(params int[] list)
    {
        byte[][] pieces = [SampleData.Bytes(1000, 1), SampleData.Bytes(1000, 2), []];
        MemoryBlobService memory = new();
        List<BlobChunk> chunks = [];
        foreach (int piece in list)
        {
            chunks.Add(new BlobChunk(await memory.PutAsync(pieces[piece]), (ulong)pieces[piece].Length));
        }

        CombinedBlobService combined = new(new MemoryBlobService(), new LyingBlobService(memory, chunks));
        DigestMismatchException e = Assert.ThrowsAsync<DigestMismatchException>(() => ReadAllAsync(combined, Blake3Hasher.HashData(Content)))!;
        Assert.That(e.Expected, Is.EqualTo(Blake3Hasher.HashData(Content)));
    }

    [Test]
    public async Task OpenRead_ChunksOfNoBytesInBetween_IsRead()
    {
        MemoryBlobService memory = new();
        BlobChunk empty = new(await memory.PutAsync(default), 0);
        BlobChunk first = new(await memory.PutAsync(Content.AsMemory(0, 2000)), 2000);
        BlobChunk second = new(await memory.PutAsync(Content.AsMemory(2000)), 3000);
        CombinedBlobService combined = new(new MemoryBlobService(), new LyingBlobService(memory, [empty, first, empty, second, empty]));
        Assert.That(await ReadAllAsync(combined, Blake3Hasher.HashData(Content)), Is.EqualTo(Content));
    }

    [Test]
    public async Task OpenRead_Near_DoesNotAskFar()
    {
        MemoryBlobService near = new();
        ChunkingTestBlobService far = new(1000);
        await ((IBlobService)far).PutAsync(Content);
        B3Digest digest = await near.PutAsync(Content);

        Assert.That(await ReadAllAsync(new CombinedBlobService(near, far), digest), Is.EqualTo(Content));
        Assert.That(far.Calls, Is.Empty);
    }

    [Test]
    public async Task Write_Always_GoesNearOnly()
    {
        MemoryBlobService near = new();
        MemoryBlobService far = new();
        CombinedBlobService combined = new(near, far);
        B3Digest[] digests = new B3Digest[1];
        B3Digest put = await combined.PutAsync(Content);
        await combined.PutManyAsync([Content.AsMemory(1)], digests);
        await using BlobWriter writer = await combined.OpenWriteAsync();
        B3Digest written = await writer.CompleteAsync();

        foreach (B3Digest digest in new[] { put, digests[0], written })
        {
            Assert.That(await near.HasAsync(digest), Is.True);
            Assert.That(await far.HasAsync(digest), Is.False);
        }
    }

    [Test]
    public async Task Anything_NearFails_DoesNotFallThrough()
    {
        ChunkingTestBlobService far = new(1000);
        B3Digest digest = await ((IBlobService)far).PutAsync(Content);
        CombinedBlobService combined = new(new FailingBlobService(), far);
        Assert.That(async () => await combined.HasAsync(digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await combined.OpenReadAsync(digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await combined.GetChunksAsync(digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await combined.ReadAsync(digest, 10_000), Throws.InstanceOf<StorageException>());
        Assert.That(far.Calls, Is.Empty);
    }

    private static async Task<byte[]> ReadAllAsync(IBlobService service, B3Digest digest)
    {
        await using Stream stream = (await service.OpenReadAsync(digest))!;
        using MemoryStream copy = new();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    /// <summary>Says of every blob that it consists of the same chunks.</summary>
    private sealed class LyingBlobService(MemoryBlobService inner, IReadOnlyList<BlobChunk> chunks) : IBlobService
    {
        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => inner.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            inner.OpenReadAsync(digest, cancellationToken);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => inner.OpenWriteAsync(cancellationToken);

        public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) => new(chunks);
    }
}
