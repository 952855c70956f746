using NUnit.Framework;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nix;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.BinaryCaches;

[TestFixture]
public sealed class NarCompressionTests
{
    // The NAR of a file with "Hello World!", as the tools of their formats compress it; as a whole, and as two parts one after the other.
    private const string Xz =
        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AB/AEldAAaANh/vps6/droaek8r6qRTJO2hIwRx/1u/l2m68ym+JEmkcF2PMAtHKBMzvRezszyuOIJgM8V+FxJOLzLgNePmhYmOwuvvM64AAAAAzWNeCky5SLYAAWWAAQAA"
        + "AMOdNpKxxGf7AgAAAAAEWVo=";

    private const string XzTwice =
        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AA7ACZdAAaANh/vps6/droaek8r6qRTJO2hIwRx/1u/l2m68ym+JEbQZsMAAAAAhVuhMxDyPlEAAUI8K+SmzR+2830BAAAAAARZWv03elhaAAAE5ta0RgIAIQEWAAAAdC/l"
        + "o+AAQwAvXQAAaJrqNGMEg7cD4FwFONay3fRlcVJ0o3v3C+IMXblxXd33jQtHWASveBDuUOsgQAAA+MGdHvG3dVgAAUtEbKa6Qh+2830BAAAAAARZWg==";

    internal const string Bzip2 =
        "QlpoOTFBWSZTWVYCeNcAACDfgGzGYGIgAABAAIAu5d9gIABURTT0T0mENDBGTEGkyQPKAaAZDRZA2toCqzNXe4iAEXEQucJHHYxhOCQiivTub9/V9ra5IUvgRTXFgImLAb4A/4u5IpwoSCsBPGuA";

    private const string Bzip2Twice =
        "QlpoOTFBWSZTWeXMjUMAABFZgGyCAEIgACphVWAgACGiAyAMgoGmhkZMS9Y1pNTIIZEAhg0ew7198ZfNBx74u5IpwoSHLmRqGEJaaDkxQVkmU1mdhf1HAAAA14BoRGAgAEAAgC6FngAgADFGjIGjTI0Gk9U9NJ6hoPJq"
        + "NscKzKEAiyJM+OOYNsZ1FKbuTMT2z0K/F3JFOFCQnYX9Rw==";

    // A million zeros.
    private const string XzOfZeros =
        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj70I/ANFdAABv/f//o7f/Rz5IFXI5YVG4kijmo4YH+e7kHoLTL8U6PAFLsX7JiopNL6MN2X+m44wjEVPgWRjFdYrid/i2lH8MasDedElk4ulcU7IE2PdEDKtfDW1G6eXDdoi3"
        + "llestk3haR1v+0uIEGxCy4g/XACP0E6vJiiUcR89jyThcJ6nI1/sKMuF0ZWYin4qkfIndfcZwAaYTZj92K/VkA/EJVP49ZE2MQWlsO5vwXBNRwzRkRGqrWAdus6xJxhcWYbpZlJYvul2rFnk5VsFCPmTwz82AAAAADKz"
        + "VZfu0uHjAAHtAcCEPQDV4HauscRn+wIAAAAABFla";

    private const string Bzip2OfZeros = "QlpoOTFBWSZTWXnTnkgAB6jAQMAAAAIACCAAMMwJqmmVJDapSQ8XckU4UJB5055I";

    private static readonly byte[] s_nar = Decode(Xz, NarCompression.Xz);

    [Test]
    public void OpenRead_OfTheVector_IsTheNarOfTheSpecification() =>
        Assert.That(Sha256Digest.Compute(s_nar).ToHexString(), Is.EqualTo("03e7f63be30b065d78bcf615f5473545fdb4eb69aa416f43495b4e05cdfb8040"));

    [TestCase(NarCompression.Xz, Xz)]
    [TestCase(NarCompression.Xz, XzTwice)]
    [TestCase(NarCompression.Bzip2, Bzip2)]
    [TestCase(NarCompression.Bzip2, Bzip2Twice)]
    public void OpenRead_OfOneOrSeveralParts_IsTheWhole(string compression, string file) => Assert.That(Decode(file, compression), Is.EqualTo(s_nar));

    [TestCase(NarCompression.Gzip)]
    [TestCase(NarCompression.Zstd)]
    [TestCase(NarCompression.Brotli)]
    [TestCase(NarCompression.None)]
    public async Task OpenRead_OfWhatWasCompressed_IsTheSame(string compression)
    {
        byte[] bytes = new byte[500_000];
        new Random(3).NextBytes(bytes.AsSpan(200_000));
        byte[] file = Compressed.Of(bytes, compression);
        foreach (int pieceLength in (int[])[1000, int.MaxValue])
        {
            await using Stream stream = NarCompression.OpenRead(new PiecewiseStream(file, pieceLength), compression);
            MemoryStream read = new();
            await stream.CopyToAsync(read);
            Assert.That(read.ToArray().AsSpan().SequenceEqual(bytes), Is.True);
        }
    }

    [TestCase(NarCompression.Xz, XzOfZeros)]
    [TestCase(NarCompression.Bzip2, Bzip2OfZeros)]
    public async Task OpenRead_InAnyPieces_IsTheSame(string compression, string file)
    {
        byte[] compressed = Convert.FromBase64String(file);
        foreach (int pieceLength in (int[])[1, 7, int.MaxValue])
        {
            await using Stream stream = NarCompression.OpenRead(new PiecewiseStream(compressed, pieceLength), compression);
            byte[] buffer = new byte[10_007];
            int length = 0;
            for (int count; (count = await stream.ReadAsync(buffer)) > 0; length += count)
            {
                Assert.That(buffer.AsSpan(0, count).ContainsAnyExcept((byte)0), Is.False);
            }

            Assert.That(length, Is.EqualTo(1_000_000));
            Assert.That(stream.Read(buffer, 0, 10), Is.Zero, "and stays at the end");
        }
    }

    [TestCase(NarCompression.Xz, Xz)]
    [TestCase(NarCompression.Xz, XzTwice)]
    [TestCase(NarCompression.Bzip2, Bzip2)]
    [TestCase(NarCompression.Bzip2, Bzip2Twice)]
    public void OpenRead_OfDamagedData_Throws(string compression, string file)
    {
        byte[] whole = Convert.FromBase64String(file);
        Assert.That(() => Decode([], compression), Throws.TypeOf<InvalidDataException>());
        Assert.That(() => Decode("no such data at all"u8.ToArray(), compression), Throws.TypeOf<InvalidDataException>());
        Assert.That(() => Decode([.. whole, 1, 2, 3, 4], compression), Throws.TypeOf<InvalidDataException>());
        for (int i = 0; i < whole.Length; i++)
        {
            byte[] damaged = [.. whole];
            damaged[i] ^= 0x10;
            Assert.That(TryDecode(damaged, compression), Is.Null.Or.EqualTo(s_nar), $"byte {i}: its checks find it, unless it does not matter");
            byte[] cut = whole[..i];
            bool betweenParts = TryDecode(cut, compression) is { } part && part.Length < s_nar.Length;
            Assert.That(betweenParts || TryDecode(cut, compression) is null, Is.True, $"cut at {i}");
        }
    }

    [Test]
    public void OpenRead_OfDamagedBrotli_Throws()
    {
        byte[] whole = Compressed.Of(s_nar, NarCompression.Brotli);
        Assert.That(Decode(whole, NarCompression.Brotli), Is.EqualTo(s_nar));
        Assert.That(() => Decode([.. whole, 0], NarCompression.Brotli), Throws.TypeOf<InvalidDataException>());
        Assert.That(() => Decode([0xff, .. whole], NarCompression.Brotli), Throws.TypeOf<InvalidDataException>());
        for (int i = 0; i < whole.Length; i++)
        {
            Assert.That(TryDecode(whole[..i], NarCompression.Brotli), Is.Null, $"cut at {i}");
        }
    }

    [Test]
    public void OpenRead_OfUnknownCompression_IsNotSupported()
    {
        Assert.That(() => NarCompression.OpenRead(Stream.Null, "lzip"), Throws.TypeOf<NotSupportedException>());
        Assert.That(NarCompression.IsKnown("lzip"), Is.False);
    }

    [Test]
    public void OpenRead_Disposed_ClosesTheFileOrNot([Values] bool leaveOpen, [Values(NarCompression.Xz, NarCompression.Bzip2)] string compression)
    {
        MemoryStream file = new();
        Stream stream = NarCompression.OpenRead(file, compression, leaveOpen);
        stream.Dispose();
        stream.Dispose();
        Assert.That(file.CanRead, Is.EqualTo(leaveOpen));
        Assert.That(stream.CanRead, Is.False);
        Assert.That(() => stream.Read(new byte[1], 0, 1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Detect_OfEachCompression_TellsIt()
    {
        foreach (string compression in (string[])[NarCompression.None, NarCompression.Gzip, NarCompression.Zstd])
        {
            Assert.That(NarCompression.Detect(Compressed.Of(s_nar, compression)), Is.EqualTo(compression));
        }

        Assert.That(NarCompression.Detect(Convert.FromBase64String(Xz)), Is.EqualTo(NarCompression.Xz));
        Assert.That(NarCompression.Detect(Convert.FromBase64String(Bzip2)), Is.EqualTo(NarCompression.Bzip2));
        Assert.That(NarCompression.Detect(Compressed.Of(s_nar, NarCompression.Brotli)), Is.Null);
        Assert.That(NarCompression.Detect([]), Is.Null);
        Assert.That(NarCompression.Detect(s_nar.AsSpan(0, NarCompression.DetectLength - 1)), Is.Null);
    }

    [TestCase(".xz", NarCompression.Xz)]
    [TestCase(".bz2", NarCompression.Bzip2)]
    [TestCase(".zst", NarCompression.Zstd)]
    [TestCase(".gz", NarCompression.Gzip)]
    [TestCase(".br", NarCompression.Brotli)]
    [TestCase("", null)]
    [TestCase(".lzip", null)]
    public void FromSuffix_OfAName_IsWhatNixMeans(string suffix, string? compression) => Assert.That(NarCompression.FromSuffix(suffix), Is.EqualTo(compression));

    private static byte[] Decode(string file, string compression) => Decode(Convert.FromBase64String(file), compression);

    private static byte[] Decode(byte[] file, string compression)
    {
        using Stream stream = NarCompression.OpenRead(new MemoryStream(file), compression);
        MemoryStream read = new();
        stream.CopyTo(read);
        return read.ToArray();
    }

    private static byte[]? TryDecode(byte[] file, string compression)
    {
        try
        {
            return Decode(file, compression);
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    /// <summary>Gives at most so many bytes at a time.</summary>
    private sealed class PiecewiseStream(byte[] bytes, int pieceLength) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, pieceLength)], cancellationToken);

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, pieceLength)]);
    }
}
