using NUnit.Framework;
using Tvix.Castore.Compression;
using Tvix.Castore.Tests.Chunking;

namespace Tvix.Castore.Tests.Compression;

[TestFixture]
public sealed class ZstdTests
{
    private static readonly byte[] s_published = Convert.FromHexString("28b52ffd00581100000001");

    public static IEnumerable<int> Lengths => [0, 1, 63, 1024, 65_537, 300_000];

    [Test]
    public void TryDecompress_PublishedChunk_GivesItsBytes()
    {
        byte[] destination = new byte[100];
        Assert.That(Zstd.TryDecompress(s_published, destination, out int written), Is.True);
        Assert.That(destination.AsSpan(0, written).ToArray(), Is.EqualTo(new byte[] { 0, 1 }));
        Assert.That(Zstd.Decompress(s_published, 2), Is.EqualTo(new byte[] { 0, 1 }));
        Assert.That(Zstd.GetDeclaredLength(s_published), Is.Null);
        Assert.That(Zstd.GetFrameLength(s_published), Is.EqualTo(s_published.Length));
    }

    [TestCaseSource(nameof(Lengths))]
    public void Compress_ThenDecompress_GivesTheSame(int length)
    {
        foreach (byte[] data in new[] { TestData.Lcg(1, length), new byte[length] })
        {
            byte[] frame = Zstd.Compress(data);
            byte[] destination = new byte[length];
            using (Assert.EnterMultipleScope())
            {
                Assert.That(Zstd.TryDecompress(frame, destination, out int written), Is.True);
                Assert.That(written, Is.EqualTo(length));
                Assert.That(destination, Is.EqualTo(data));
                Assert.That(Zstd.Decompress(frame, length), Is.EqualTo(data));
                Assert.That(Zstd.GetDeclaredLength(frame), Is.EqualTo((ulong)length));
                Assert.That(Zstd.GetFrameLength(frame), Is.EqualTo(frame.Length));
                Assert.That(frame, Has.Length.LessThanOrEqualTo(Zstd.GetMaxCompressedLength(length)));
            }
        }
    }

    [TestCase(Zstd.MinLevel)]
    [TestCase(12)]
    [TestCase(19)]
    public void Compress_EveryLevel_CanBeRead(int level)
    {
        byte[] data = TestData.BlobB()[..50_000];
        byte[] frame = Zstd.Compress(data, level);
        Assert.That(frame, Has.Length.LessThan(2000));
        Assert.That(Zstd.Decompress(frame, data.Length), Is.EqualTo(data));
    }

    [TestCase(0)]
    [TestCase(23)]
    [TestCase(-5)]
    public void Compress_NoSuchLevel_Throws(int level) =>
        Assert.That(() => Zstd.Compress([1], level), Throws.TypeOf<ArgumentOutOfRangeException>());

    [Test]
    public void TryCompress_DoesNotBecomeSmaller_IsFalse()
    {
        byte[] noise = TestData.Lcg(3, 10_000);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Zstd.TryCompress(noise, new byte[noise.Length - 1], out int written), Is.False);
            Assert.That(written, Is.Zero);
            Assert.That(Zstd.TryCompress(new byte[10_000], new byte[9_999], out written), Is.True);
            Assert.That(written, Is.InRange(1, 100));
        }
    }

    [Test]
    public void TryDecompress_DestinationTooShort_IsFalse()
    {
        byte[] frame = Zstd.Compress(new byte[1000]);
        Assert.That(Zstd.TryDecompress(frame, new byte[999], out int written), Is.False);
        Assert.That(written, Is.Zero);
    }

    [TestCase(999, ExpectedResult = false)]
    [TestCase(1000, ExpectedResult = true)]
    [TestCase(1001, ExpectedResult = true)]
    [TestCase(0, ExpectedResult = false)]
    public bool Decompress_Limit_IsKept(int maxBytes)
    {
        try
        {
            return Zstd.Decompress(Zstd.Compress(TestData.Lcg(2, 1000)), maxBytes).Length == 1000;
        }
        catch (InvalidDataException e)
        {
            Assert.That(e.Message, Does.Contain($"{maxBytes} bytes"));
            return false;
        }
    }

    [Test]
    public void Decompress_Bomb_StopsAtTheLimit()
    {
        byte[] bomb = Zstd.Compress(new byte[64 << 20]);
        Assert.That(bomb, Has.Length.LessThan(10_000));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => Zstd.Decompress(bomb, 1 << 16), Throws.TypeOf<InvalidDataException>());
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void Decompress_SeveralFrames_GivesThemInOrder()
    {
        byte[] frames = [.. Zstd.Compress([1, 2]), .. Zstd.Compress([]), .. s_published, .. Zstd.Compress(new byte[5000])];
        byte[] expected = [1, 2, 0, 1, .. new byte[5000]];
        byte[] destination = new byte[6000];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Zstd.Decompress(frames, 6000), Is.EqualTo(expected));
            Assert.That(Zstd.TryDecompress(frames, destination, out int written), Is.True);
            Assert.That(destination.AsSpan(0, written).ToArray(), Is.EqualTo(expected));
        }
    }

    [Test]
    public void Decompress_CutAnywhere_Throws()
    {
        byte[] frame = Zstd.Compress([.. TestData.Lcg(1, 300), .. new byte[300]]);
        byte[] destination = new byte[600];
        for (int length = 0; length < frame.Length; length++)
        {
            byte[] cut = frame[..length];
            Assert.That(() => Zstd.Decompress(cut, 600), Throws.TypeOf<InvalidDataException>(), $"{length} bytes");
            Assert.That(() => Zstd.TryDecompress(cut, destination, out _), Throws.TypeOf<InvalidDataException>(), $"{length} bytes");
        }
    }

    [Test]
    public void Decompress_SomethingElse_Throws()
    {
        byte[] trailing = [.. s_published, 1, 2, 3, 4, 5];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Zstd.Decompress("this is no frame"u8, 100), Throws.TypeOf<InvalidDataException>());
            Assert.That(() => Zstd.Decompress(trailing, 100), Throws.TypeOf<InvalidDataException>());
            Assert.That(() => Zstd.TryDecompress(trailing, new byte[100], out _), Throws.TypeOf<InvalidDataException>());
            Assert.That(() => Zstd.GetDeclaredLength("this is no frame"u8), Throws.TypeOf<InvalidDataException>());
            Assert.That(() => Zstd.GetFrameLength(s_published.AsSpan(0, 8)), Throws.TypeOf<InvalidDataException>());
        }
    }

    [FsCheck.NUnit.Property(MaxTest = 300, Replay = "(20241122,7)")]
    public bool Decompress_DamagedFrame_ThrowsOrStaysWithinTheLimit(uint seed, ushort at, byte flip)
    {
        byte[] frame = Zstd.Compress([.. TestData.Lcg(seed, 200), .. new byte[500], .. TestData.Lcg(seed, 200)]);
        frame[at % frame.Length] ^= flip;
        try
        {
            return Zstd.Decompress(frame, 2000).Length <= 2000;
        }
        catch (InvalidDataException)
        {
            return true;
        }
    }

    [Test]
    public void Compress_ManyThreads_DoNotDisturbEachOther() => Parallel.For(0, 64, i =>
    {
        byte[] data = TestData.Lcg((ulong)i, 5000);
        Assert.That(Zstd.Decompress(Zstd.Compress(data), 5000), Is.EqualTo(data));
    });

    [Test]
    [NonParallelizable]
    public void Compress_LibraryAbsent_ThrowsWithAdvice()
    {
        LibZstd.SimulateAbsence = true;
        try
        {
            using (Assert.EnterMultipleScope())
            {
                Assert.That(Zstd.IsAvailable, Is.False);
                Assert.That(() => Zstd.Compress([1]), Throws.TypeOf<PlatformNotSupportedException>().With.Message.Contains("libzstd"));
                Assert.That(() => Zstd.Decompress([1], 1), Throws.TypeOf<PlatformNotSupportedException>().With.Message.Contains("Install"));
                Assert.That(() => Zstd.GetDeclaredLength([1]), Throws.TypeOf<PlatformNotSupportedException>());
                Assert.That(() => new ZstdDecompressionStream(Stream.Null), Throws.TypeOf<PlatformNotSupportedException>());
                Assert.That(() => new ZstdCompressionStream(Stream.Null), Throws.TypeOf<PlatformNotSupportedException>());
            }
        }
        finally
        {
            LibZstd.SimulateAbsence = false;
        }

        Assert.That(Zstd.IsAvailable, Is.True);
    }
}
