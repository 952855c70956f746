using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blake3;

[TestFixture]
public sealed class Blake3HasherTests
{
    private static readonly byte[] Data = MakeData();

    /// <summary>Castore spec, appendix B.1.</summary>
    public static IEnumerable<TestCaseData> SpecVectors =>
    [
        new(Array.Empty<byte>(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        new("Hello World!"u8.ToArray(), "5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c"),
        new("Hello World"u8.ToArray(), "41f8394111eb713a22165c46c90ab8f0fd9399c92028fd6d288944b23ff5bf76"),
        new(new byte[] { 0, 1 }, "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63"),
        new(new byte[] { 2, 3, 4, 5 }, "024a7fdb2a86c4eae9600a1cfbfd4487ddc15c0a8fa59abfebd6f92bd0031fe5"),
    ];

    /// <summary>testdata/blake3/vectors.json: inputs of the official vectors, digests by b3sum.</summary>
    public static IEnumerable<TestCaseData> GoldenVectors
    {
        get
        {
            using Stream stream = typeof(Blake3HasherTests).Assembly.GetManifestResourceStream("blake3/vectors.json")!;
            using JsonDocument document = JsonDocument.Parse(stream);
            foreach (JsonElement vector in document.RootElement.EnumerateArray())
            {
                yield return new TestCaseData(vector.GetProperty("length").GetInt32(), vector.GetProperty("hash").GetString());
            }
        }
    }

    /// <summary>Around the boundaries of blocks, chunks, groups of lanes and what is gathered on the stack.</summary>
    public static IEnumerable<int> Lengths =>
        from boundary in new[] { 0, 64, 128, 1024, 2048, 3072, 4096, 5120, 8192, 9216, 15360, 16384, 17408, 65536, 262_144, 524_288 }
        from delta in new[] { -1, 0, 1 }
        where boundary + delta >= 0
        select boundary + delta;

    [TestCaseSource(nameof(SpecVectors))]
    public void HashData_SpecVector_GivesDigest(byte[] message, string hex) =>
        Assert.That(Blake3Hasher.HashData(message).ToHexString(), Is.EqualTo(hex));

    [TestCaseSource(nameof(GoldenVectors))]
    public void HashData_GoldenVector_GivesDigest(int length, string hex)
    {
        byte[] message = new byte[length];
        for (int i = 0; i < length; i++)
        {
            message[i] = (byte)(i % 251);
        }

        Blake3Hasher hasher = new();
        hasher.AppendData(message);
        Assert.That(Blake3Hasher.HashData(message).ToHexString(), Is.EqualTo(hex));
        Assert.That(hasher.GetCurrentDigest().ToHexString(), Is.EqualTo(hex));
    }

    [TestCaseSource(nameof(Lengths))]
    public void HashData_AnyLength_EqualsReference(int length)
    {
        B3Digest expected = ReferenceBlake3.Digest(Data.AsSpan(0, length));
        byte[] written = new byte[40];
        Blake3Hasher.HashData(Data.AsSpan(0, length), written);
        Assert.That(Blake3Hasher.HashData(Data.AsSpan(0, length)), Is.EqualTo(expected));
        Assert.That(new B3Digest(written.AsSpan(0, 32)), Is.EqualTo(expected));
        Assert.That(written[32..], Is.All.Zero);
    }

    [Test]
    public void HashData_TooLittleRoom_Throws() => Assert.That(() => Blake3Hasher.HashData([1, 2], new byte[31]), Throws.ArgumentException);

    [Test]
    public void HashData_EveryLengthOfAChunk_EqualsReference()
    {
        for (int length = 0; length <= 1100; length++)
        {
            Assert.That(Blake3Hasher.HashData(Data.AsSpan(3, length)), Is.EqualTo(ReferenceBlake3.Digest(Data.AsSpan(3, length))), $"{length}");
        }
    }

    [Test]
    public void AppendData_InEqualPieces_EqualsHashData([Values(1, 1000, 1024, 4096, 65_536, 65_537, 200_000)] int piece)
    {
        int length = piece == 1 ? 100_000 : Data.Length;
        Blake3Hasher hasher = new();
        for (int i = 0; i < length; i += piece)
        {
            hasher.AppendData(Data.AsSpan(i, Math.Min(piece, length - i)));
        }

        Assert.That(hasher.GetCurrentDigest(), Is.EqualTo(Blake3Hasher.HashData(Data.AsSpan(0, length))));
    }

    [Test]
    public void GetCurrentDigest_BetweenPieces_EqualsHashDataOfThePrefix()
    {
        Blake3Hasher hasher = new();
        for (int i = 0, piece = 1; i + piece <= Data.Length; i += piece, piece = (piece * 3 / 2) + 1)
        {
            hasher.AppendData(Data.AsSpan(i, piece));
            Assert.That(hasher.GetCurrentDigest(), Is.EqualTo(Blake3Hasher.HashData(Data.AsSpan(0, i + piece))), $"{i + piece} bytes");
        }
    }

    /// <summary>Random splits of a random message, some pieces larger than what the hasher gathers.</summary>
    [FsCheck.NUnit.Property(MaxTest = 200, Replay = "(20240607,3)")]
    public FsCheck.Property AppendData_RandomSplit_EqualsHashData() => Prop.ForAll(
        Gen.Choose(0, 150_000).ArrayOf().Select(pieces => pieces.Take(10).ToArray()).ToArbitrary(),
        pieces =>
        {
            Blake3Hasher hasher = new();
            int length = 0;
            foreach (int piece in pieces)
            {
                hasher.AppendData(Data.AsSpan(length, piece));
                length += piece;
            }

            return hasher.GetDigestAndReset() == Blake3Hasher.HashData(Data.AsSpan(0, length));
        });

    /// <summary>Random mixes of sizes: mostly small, some of many chunks, some empty.</summary>
    [FsCheck.NUnit.Property(MaxTest = 200, Replay = "(20240607,5)")]
    public FsCheck.Property HashMany_RandomMix_EqualsHashData() => Prop.ForAll(
        Gen.Frequency(
                (1, Gen.Constant(0)), (4, Gen.Choose(1, 130)), (6, Gen.Choose(1, 1024)), (3, Gen.Choose(1024, 17_000)), (1, Gen.Choose(1, 70_000)))
            .ListOf().ToArbitrary(),
        lengths =>
        {
            ReadOnlyMemory<byte>[] sources = lengths.Select((length, i) => new ReadOnlyMemory<byte>(Data, i * 17, length)).ToArray();
            B3Digest[] digests = new B3Digest[sources.Length + 1];
            Blake3Hasher.HashMany(sources, digests);
            return digests[^1] == default && sources.Index().All(s => digests[s.Index] == Blake3Hasher.HashData(s.Item.Span));
        });

    [Test]
    public void HashMany_ManyOfOneSize_EqualsHashData(
        [Values(0, 1, 64, 700, 1024, 1025, 4096, 16_384, 16_385)] int length, [Values(1, 2, 16, 17, 300)] int count)
    {
        ReadOnlyMemory<byte>[] sources = Enumerable.Range(0, count).Select(i => new ReadOnlyMemory<byte>(Data, i, length)).ToArray();
        B3Digest[] digests = new B3Digest[count];
        Blake3Hasher.HashMany(sources, digests);
        Assert.That(digests, Is.EqualTo(sources.Select(s => Blake3Hasher.HashData(s.Span))));
    }

    [Test]
    public void HashMany_TooLittleRoom_Throws() =>
        Assert.That(() => Blake3Hasher.HashMany([default, default], new B3Digest[1]), Throws.ArgumentException);

#if !DEBUG // Without optimisation the JIT allocates for every constant span.
    [Test]
    public void HashMany_SmallMessages_AllocatesNothing()
    {
        ReadOnlyMemory<byte>[] sources = Enumerable.Range(0, 300).Select(i => new ReadOnlyMemory<byte>(Data, i, i * 10)).ToArray();
        B3Digest[] digests = new B3Digest[300];
        Blake3Hasher.HashMany(sources, digests);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Blake3Hasher.HashMany(sources, digests);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
#endif

    [Test]
    public void GetDigestAndReset_ThenAppend_StartsAfresh()
    {
        Blake3Hasher hasher = new();
        hasher.AppendData(Data.AsSpan(0, 300_000));
        Assert.That(hasher.GetDigestAndReset(), Is.EqualTo(Blake3Hasher.HashData(Data.AsSpan(0, 300_000))));
        Assert.That(hasher.GetCurrentDigest(), Is.EqualTo(B3Digest.Empty));
        hasher.AppendData(Data.AsSpan(5, 70_000));
        Assert.That(hasher.GetCurrentDigest(), Is.EqualTo(Blake3Hasher.HashData(Data.AsSpan(5, 70_000))));
        hasher.Reset();
        Assert.That(hasher.GetCurrentDigest(), Is.EqualTo(B3Digest.Empty));
    }

    [Test]
    public void GetCurrentHash_RoomOfAnyLength_WritesOrRefuses()
    {
        Blake3Hasher hasher = new();
        hasher.AppendData("Hello World!"u8);
        byte[] hash = new byte[32];
        Assert.That(hasher.TryGetCurrentHash(hash.AsSpan(0, 31), out int written), Is.False);
        Assert.That(written, Is.Zero);
        Assert.That(() => hasher.GetCurrentHash(new byte[31]), Throws.ArgumentException);
        Assert.That(hasher.GetCurrentHash(hash), Is.EqualTo(32));
        Assert.That(new B3Digest(hash), Is.EqualTo(Blake3Hasher.HashData("Hello World!"u8)));
    }

    [Test]
    public void HashDataParallel_AnyLengthAndParallelism_EqualsHashData(
        [Values(0, 1, 524_287, 524_288, 700_001, 2_000_000)] int length, [Values(0, 1, 2, 3, 16)] int maxParallelism) =>
        Assert.That(
            Blake3Hasher.HashDataParallel(Data.AsSpan(0, length), maxParallelism),
            Is.EqualTo(Blake3Hasher.HashData(Data.AsSpan(0, length))));

    [Test]
    public void HashDataParallel_NegativeParallelism_Throws() =>
        Assert.That(() => Blake3Hasher.HashDataParallel([], -1), Throws.InstanceOf<ArgumentOutOfRangeException>());

    private static byte[] MakeData()
    {
        byte[] data = new byte[2_000_000];
        new Random(1).NextBytes(data);
        return data;
    }
}
