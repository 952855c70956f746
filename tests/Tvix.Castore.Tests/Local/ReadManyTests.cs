using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Local;

/// <summary>Many chunks of a <see cref="LocalStore"/>, which are read together.</summary>
[TestFixture]
public sealed class ReadManyTests : StoreFixture
{
    [Test]
    public async Task ReadMany_OverPacksAndGaps_GivesEach([Values(LocalCompression.None, LocalCompression.Zstd)] LocalCompression compression, [Values(1, 3, 20)] int step)
    {
        await using LocalStore store = Open(options => options.Compression = compression);

        // What compresses and what does not, side by side, over several packs.
        byte[][] contents = [.. Enumerable.Range(0, 400).Select(i => i % 3 == 0 ? new byte[600 + i] : SampleData.Bytes((i * 53) % 20_000, seed: i))];
        B3Digest[] digests = new B3Digest[contents.Length];
        foreach (int start in Enumerable.Range(0, 8).Select(i => i * 50))
        {
            await store.Blobs.PutManyAsync([.. contents[start..(start + 50)].Select(content => (ReadOnlyMemory<byte>)content)], digests.AsMemory(start, 50));
        }

        Assert.That(Packs, Has.Length.GreaterThan(2));
        int[] wanted = [.. Enumerable.Range(0, contents.Length).Where(i => i % step == 0).Reverse()];
        BlobContent?[] found = new BlobContent?[wanted.Length];
        await store.Blobs.ReadManyAsync([.. wanted.Select(i => new BlobChunk(digests[i], (ulong)contents[i].Length))], found);
        for (int i = 0; i < wanted.Length; i++)
        {
            Assert.That(found[i]!.Memory.Span.SequenceEqual(contents[wanted[i]]), Is.True, $"at {i}");
            found[i]!.Dispose();
            Assert.That(() => found[i]!.Memory, Throws.InstanceOf<ObjectDisposedException>());
            if (i + 1 < wanted.Length)
            {
                Assert.That(found[i + 1]!.Memory.Span.SequenceEqual(contents[wanted[i + 1]]), Is.True, "what shares its memory is still there");
            }
        }
    }

    [Test]
    public async Task ReadMany_OfADamagedPayload_SaysWhichAndLeavesNothing([Values] bool compressed)
    {
        await using LocalStore store = Open(options => options.Compression = compressed ? LocalCompression.Zstd : LocalCompression.None);
        byte[][] contents = [.. Enumerable.Range(0, 3).Select(i => Enumerable.Range(0, 5000).Select(k => (byte)('a' + ((k + i) % 7))).ToArray())];
        B3Digest[] digests = new B3Digest[contents.Length];
        for (int i = 0; i < contents.Length; i++)
        {
            digests[i] = await store.Blobs.PutAsync(contents[i]);
        }

        byte[] pack = await File.ReadAllBytesAsync(Packs.Single());
        int middle = pack.Length / 2;
        BlobContent?[] found = new BlobContent?[3];
        pack[middle] ^= 1;
        await File.WriteAllBytesAsync(Packs.Single(), pack);
        DigestMismatchException? e = Assert.ThrowsAsync<DigestMismatchException>(
            async () => await store.Blobs.ReadManyAsync([.. digests.Select(digest => new BlobChunk(digest, 5000))], found));
        Assert.That(e!.Expected, Is.EqualTo(digests[1]));
        Assert.That(found, Is.All.Null);

        pack[middle] ^= 1;
        await File.WriteAllBytesAsync(Packs.Single(), pack[..^1]);
        e = Assert.ThrowsAsync<DigestMismatchException>(
            async () => await store.Blobs.ReadManyAsync([.. digests.Select(digest => new BlobChunk(digest, 5000))], found));
        Assert.That(e!.Expected, Is.EqualTo(digests[2]));
        Assert.That(found, Is.All.Null);
    }
}
