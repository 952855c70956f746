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
}
