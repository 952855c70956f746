using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Local;

[TestFixture]
public sealed class LocalLargeBlobTests
{
    /// <summary>More bytes than an array or an <see cref="int"/> can hold. Nobody has time to hash them, so the record is made by hand.</summary>
    [Test]
    public async Task OpenRead_BlobOfMoreThanTwoGiB_CanBeReadAtItsEnd()
    {
        const int ChunkLength = 256 << 10; // one chunk
        const long Length = (1L << 31) + 7;
        using TempFolder folder = new();
        await using LocalStore store = new(new LocalStoreOptions { Path = folder["store"] });
        B3Digest zeros = await store.Blobs.PutAsync(new byte[ChunkLength]);
        B3Digest end = await store.Blobs.PutAsync("the end"u8.ToArray());
        B3Digest blob = Blake3Hasher.HashData("stands for the digest"u8);
        List<byte> list = [];
        LocalBlobService.AppendChunk(list, zeros, ChunkLength);
        byte[] repeated = [.. Enumerable.Repeat(list.ToArray(), (int)(Length / ChunkLength)).SelectMany(entry => entry)];
        list = [.. repeated];
        LocalBlobService.AppendChunk(list, end, 7);
        WriteSession session = new(store);
        session.Append(RecordKind.Blob, blob, list.ToArray(), logicalLength: Length);
        await session.CommitAsync(default);

        await using Stream stream = (await store.Blobs.OpenReadAsync(blob))!;
        Assert.That(stream.Length, Is.EqualTo(Length));
        stream.Position = 1L << 31;
        byte[] actual = new byte[7];
        await stream.ReadExactlyAsync(actual);
        Assert.That(actual, Is.EqualTo("the end"u8.ToArray()));
        Assert.That((await store.Blobs.GetChunksAsync(blob))!.Sum(chunk => (long)chunk.Size), Is.EqualTo(Length));
        Assert.ThrowsAsync<BlobTooLongException>(async () => await store.Blobs.ReadAsync(blob, int.MaxValue));
    }
}
