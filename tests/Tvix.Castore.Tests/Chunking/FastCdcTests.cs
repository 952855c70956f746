using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Chunking;

namespace Tvix.Castore.Tests.Chunking;

[TestFixture]
public sealed class FastCdcTests
{
    public static IEnumerable<TestCaseData> Vectors()
    {
        yield return Case("Lcg2", TestData.Lcg(2, 5_242_880), 262_144,
            [212906, 316139, 467932, 338825, 296062, 430769, 290698, 268798,
             270932, 524288, 305290, 437222, 444944, 193617, 334839, 109619]);
        yield return Case("Lcg0", TestData.Lcg(0, 1_048_576), 262_144, [524288, 524288]);
        yield return Case("Zeros", new byte[2_000_000], 262_144, [524288, 524288, 524288, 427136]);
        yield return Case("Lcg3", TestData.Lcg(3, 1_000_003), 100_000, [79691, 146112, 124458, 110099, 200000, 200000, 139643]);
        yield return Case("Lcg4", TestData.Lcg(4, 131_072), 262_144, [131072]);
        yield return Case("Lcg5", TestData.Lcg(5, 262_145), 262_144, [262145]);
        yield return Case("Empty", [], 262_144, []);

        static TestCaseData Case(string name, byte[] data, uint average, int[] lengths) =>
            new TestCaseData(data, average, lengths).SetName($"Cut_{name}_GivesThePublishedLengths");
    }

    [TestCaseSource(nameof(Vectors))]
    public void Cut_Vector_GivesThePublishedLengths(byte[] data, uint average, int[] lengths) =>
        Assert.That(Lengths(data, ChunkingParameters.FromAverage(average)), Is.EqualTo(lengths));

    [Test]
    public void Cut_ManyChunks_HashToThePublishedValue()
    {
        List<int> lcg = Lengths(TestData.Lcg(1, 65_536), ChunkingParameters.FromAverage(1024));
        List<int> repeating = Lengths(TestData.BlobB(), ChunkingParameters.FromAverage(1024));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(lcg, Has.Count.EqualTo(53));
            Assert.That(lcg.Take(12), Is.EqualTo(new[] { 1279, 1168, 1050, 1708, 2048, 1032, 933, 1318, 1180, 1079, 1162, 644 }));
            Assert.That(LengthsHash(lcg), Is.EqualTo("c0d0b7c99ada4ca0dfc68a88477985b9e6c70e9a09af232a35f259cdf9ce97a6"));
            Assert.That(repeating, Has.Count.EqualTo(820));
            Assert.That(LengthsHash(repeating), Is.EqualTo("4e4da664cbb9994ed1742d6151786ec2ec8d77c0eb37664cf7a6a80f49bc316a"));
        }
    }

    [Test]
    public void Cut_ExplicitSizes_AreUsed() =>
        Assert.That(Lengths(new byte[10_240], ChunkingParameters.Create(64, 256, 1024)), Is.EqualTo(Enumerable.Repeat(1024, 10)));

    [Test]
    public void Cut_EmptyWindow_IsZero() => Assert.That(FastCdc.Cut([], ChunkingParameters.Default), Is.Zero);

    [Test]
    public void Cut_BytesBeyondTheGreatestSize_DoNotMatter()
    {
        byte[] data = TestData.Lcg(2, 1_048_576);
        Assert.That(
            FastCdc.Cut(data, ChunkingParameters.Default), Is.EqualTo(FastCdc.Cut(data.AsSpan(0, 524_288), ChunkingParameters.Default)));
    }

    [FsCheck.NUnit.Property(MaxTest = 300, Replay = "(20241122,7)")]
    public bool Cut_AnyDataAndSizes_AgreesWithThePublishedLoop(uint seed, ushort length, ushort min, ushort avg, ushort max)
    {
        int minSize = 64 + (min % 300);
        int averageSize = Math.Max(256, minSize) + (avg % 600);
        int maxSize = Math.Max(1024, averageSize) + (max % 1000);
        byte[] data = TestData.Lcg(seed, length % 5000);
        return FastCdc.Cut(data, ChunkingParameters.Create(minSize, averageSize, maxSize))
            == PublishedCut(data, minSize, averageSize, maxSize);
    }

    [Test]
    public void Cut_LongData_AgreesWithThePublishedLoop([Range(0, 59)] int seed)
    {
        // Long enough for stretches to be searched side by side. Few different bytes make some hashes repeat, and many half match.
        Random random = new(seed);
        byte[] data = new byte[random.Next(1024, 900_000)];
        int alphabet = (seed % 4) switch { 0 => 256, 1 => 200, 2 => 8, _ => 2 };
        foreach (ref byte b in data.AsSpan())
        {
            b = (byte)random.Next(alphabet);
        }

        foreach (int average in (int[])[1 << 15, 1 << 17, 1 << 18, 1 << 19])
        {
            foreach (int min in (int[])[64, average / 2])
            {
                Assert.That(
                    FastCdc.Cut(data, ChunkingParameters.Create(min, average, 2 * average)), Is.EqualTo(PublishedCut(data, min, average, 2 * average)), $"{min}, {average}");
            }
        }
    }

    [Test]
    public void Gear_EveryEntry_IsThePrefixOfAnMd5()
    {
        byte[] block = new byte[64];
        for (int i = 0; i < 256; i++)
        {
            Array.Fill(block, (byte)i);
            Assert.That(GearTable.Gear[i], Is.EqualTo(BinaryPrimitives.ReadUInt64BigEndian(MD5.HashData(block))), $"entry {i}");
        }

        Assert.That(GearTable.Gear.Length, Is.EqualTo(256));
    }

    [Test]
    public void Mask_TopBit_IsNeverSet()
    {
        // Find relies on it: it compares unshifted where the published loop compares shifted values.
        for (int bits = 5; bits <= 25; bits++)
        {
            Assert.That(GearTable.Mask(bits) >> 63, Is.Zero);
        }

        Assert.That(GearTable.Mask(18), Is.EqualTo(0x0000d90707537000));
    }

    /// <summary>The loop of the specification, word by word, with the shifted table.</summary>
    private static int PublishedCut(ReadOnlySpan<byte> s, int min, int avg, int max)
    {
        int bits = (int)Math.Round(Math.Log2(avg));
        ulong maskS = GearTable.Mask(bits + 1);
        ulong maskL = GearTable.Mask(bits - 1);
        int n = Math.Min(s.Length, max);
        if (n <= min)
        {
            return n;
        }

        int centre = n >= avg ? avg : n;
        ulong h = 0;
        for (int i = min / 2; i < n / 2; i++)
        {
            ulong m = i < centre / 2 ? maskS : maskL;
            int a = 2 * i;
            h = (h << 2) + (GearTable.Gear[s[a]] << 1);
            if ((h & (m << 1)) == 0)
            {
                return a;
            }

            h += GearTable.Gear[s[a + 1]];
            if ((h & m) == 0)
            {
                return a + 1;
            }
        }

        return n;
    }

    private static List<int> Lengths(ReadOnlySpan<byte> data, ChunkingParameters parameters)
    {
        List<int> lengths = [];
        while (!data.IsEmpty)
        {
            int length = FastCdc.Cut(data, parameters);
            lengths.Add(length);
            data = data[length..];
        }

        return lengths;
    }

    private static string LengthsHash(IEnumerable<int> lengths)
    {
        string text = string.Join(',', lengths.Select(l => l.ToString(CultureInfo.InvariantCulture)));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text)));
    }
}
