using System.Text;
using NUnit.Framework;
using Tvix.Castore.References;
using Tvix.Castore.Tests.Chunking;

namespace Tvix.Castore.Tests.References;

[TestFixture]
public sealed class ReferenceScannerTests
{
    private const string Alphabet = "0123456789abcdfghijklmnpqrsvwxyz";
    private const string Hash = "4q0pg5zpfmznxscq3avycvf9xdvx50n3";

    [TestCase("abc bcd", "zzabcdbcdzz", "abc bcd")]
    [TestCase("abc bcd", "zzabcdzz", "abc bcd")]
    [TestCase("foo foobar", "xxfoobarxx", "foo foobar")]
    [TestCase("abc longneedle", "xxabcxx", "abc")]
    [TestCase("", "anything", "")]
    [TestCase("foobar oba ba ob", "foobar", "foobar oba ba ob")]
    [TestCase("aa aaaa aaa", "xaaax", "aa aaa")]
    [TestCase("ab", "", "")]
    [TestCase("ab ab", "ab", "ab ab")]
    [TestCase("abcd bce", "abce", "bce")]
    public void Scan_PublishedAndOverlapping_FindsAll(string candidates, string contents, string found)
    {
        ReferenceScanner scanner = new(ReferencePattern.FromText(Words(candidates)));
        scanner.Scan(Encoding.UTF8.GetBytes(contents));
        Assert.That(Texts(scanner.GetFound()), Is.EqualTo(Words(found)));
    }

    [TestCase(1, 1)]
    [TestCase(1, 8096)]
    [TestCase(8096, 1)]
    [TestCase(8096, 8096)]
    [TestCase(31, 33)]
    public async Task Stream_AnyReadSizes_FindsAndPassesThrough(int sourcePiece, int readPiece)
    {
        byte[] contents = [.. TestData.Lcg(1, 10_007), .. Encoding.ASCII.GetBytes(Hash), .. TestData.Lcg(2, 5000)];
        foreach (bool async in new[] { false, true })
        {
            ReferenceScanner scanner = new(ReferencePattern.FromText([Hash]));
            await using ReferenceScanningStream stream = new(new SlowStream(contents, sourcePiece), scanner);
            List<byte> passed = [];
            byte[] buffer = new byte[readPiece];
            int read;
            while ((read = async ? await stream.ReadAsync(buffer) : stream.Read(buffer)) > 0)
            {
                passed.AddRange(buffer.AsSpan(0, read));
            }

            Assert.That(scanner.IsFound(0), Is.True);
            Assert.That(passed, Is.EqualTo(contents));
        }
    }

    [Test]
    public void Stream_Disposed_DisposesTheOtherUnlessTold()
    {
        ReferenceScanner scanner = new(ReferencePattern.FromText([Hash]));
        MemoryStream closed = new();
        MemoryStream open = new();
        ReferenceScanningStream stream = new(closed, scanner);
        stream.Dispose();
        new ReferenceScanningStream(open, scanner, leaveOpen: true).Dispose();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(closed.CanRead, Is.False);
            Assert.That(open.CanRead, Is.True);
            Assert.That(stream.CanRead, Is.False);
            Assert.That(() => stream.ReadByte(), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => new ReferenceScanningStream(closed, scanner), Throws.TypeOf<ArgumentException>());
        }
    }

    [Test]
    public void Append_MatchWouldSpanFiles_IsNotFound([Values] bool hashes)
    {
        // A second kind of candidate makes the general searcher work.
        ReferenceScanner scanner = new(ReferencePattern.FromText(hashes ? [Hash] : [Hash, "zz"]));
        ReferenceScan scan = scanner.StartFile();
        scan.Append(Encoding.ASCII.GetBytes(Hash[..20]));
        scan.NextFile();
        scan.Append(Encoding.ASCII.GetBytes(Hash[20..]));
        Assert.That(scanner.IsFound(0), Is.False);
        scan.NextFile();
        scan.Append(Encoding.ASCII.GetBytes(Hash[..20]));
        scan.Append(Encoding.ASCII.GetBytes(Hash[20..]));
        Assert.That(scanner.IsFound(0), Is.True);
    }

    [FsCheck.NUnit.Property(MaxTest = 500, Replay = "(20241122,7)")]
    public bool Scan_ShortStrings_AgreesWithNaiveSearch(byte[][] seeds, byte[] text, byte[] pieces)
    {
        // A small alphabet makes overlaps, repeats and common prefixes frequent.
        byte[][] candidates = [.. seeds.Where(s => s.Length >= 2).Select(s => s.Select(b => (byte)('a' + (b % 3))).ToArray())];
        byte[] contents = [.. text.Select(b => (byte)('a' + (b % 3)))];
        return AgreesWithNaive(candidates, contents, pieces);
    }

    [FsCheck.NUnit.Property(MaxTest = 300, Replay = "(20241122,7)")]
    public bool Scan_Hashes_AgreesWithNaiveSearch(uint seed, ushort[] places, byte[] pieces)
    {
        Random random = new((int)(seed & int.MaxValue));
        byte[][] candidates = [.. Enumerable.Range(0, 50).Select(_ => RandomHash(random))];
        byte[] contents = new byte[2000];
        for (int i = 0; i < contents.Length; i++)
        {
            // Mostly valid characters, so that there are long runs.
            contents[i] = random.Next(40) == 0 ? (byte)random.Next(256) : (byte)Alphabet[random.Next(32)];
        }

        foreach (ushort place in places)
        {
            candidates[place % candidates.Length].CopyTo(contents, place % (contents.Length - 32));
        }

        return AgreesWithNaive(candidates, contents, pieces);
    }

    [Test]
    public void Scan_HashAtEveryPlace_IsFound()
    {
        ReferencePattern pattern = ReferencePattern.FromText([Hash]);
        foreach (byte filler in new[] { (byte)'-', (byte)'a' })
        {
            for (int length = 32; length < 130; length++)
            {
                for (int at = 0; at <= length - 32; at++)
                {
                    byte[] contents = new byte[length];
                    Array.Fill(contents, filler);
                    Encoding.ASCII.GetBytes(Hash).CopyTo(contents, at);
                    ReferenceScanner scanner = new(pattern);
                    scanner.Scan(contents);
                    Assert.That(scanner.IsFound(0), Is.True, $"at {at} of {length}");

                    contents[at + 17] ^= 1;
                    ReferenceScanner other = new(pattern);
                    other.Scan(contents);
                    Assert.That(other.IsFound(0), Is.False, $"at {at} of {length}");
                }
            }
        }
    }

    [Test]
    public void Scan_EveryByteInsideTheHash_OnlyItsOwnMatches()
    {
        byte[] contents = Encoding.ASCII.GetBytes(Hash);
        ReferencePattern pattern = ReferencePattern.FromText([Hash]);
        for (int b = 0; b < 256; b++)
        {
            contents[5] = (byte)b;
            ReferenceScanner scanner = new(pattern);
            scanner.Scan(contents);
            Assert.That(scanner.IsFound(0), Is.EqualTo(b == Hash[5]));
        }
    }

    [Test]
    public void Scan_ManyThreads_FindEverything()
    {
        Random random = new(5);
        byte[][] candidates = [.. Enumerable.Range(0, 2000).Select(_ => RandomHash(random))];
        ReferenceScanner scanner = new(new ReferencePattern(candidates.Select(c => new ReadOnlyMemory<byte>(c))));
        Parallel.ForEach(candidates.SkipLast(1), candidate => scanner.Scan([.. "/nix/store/"u8, .. candidate, .. "-name"u8]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(scanner.GetFound(), Has.Count.EqualTo(1999));
            Assert.That(scanner.IsFound(1999), Is.False);
        }
    }

    [Test]
    public void GetFoundSorted_SameBytesTwice_AreGivenOnce()
    {
        ReferenceScanner scanner = new(ReferencePattern.FromText(["zz", "bb", "aa", "zz", "cc"]));
        scanner.Scan("zz aa cc"u8);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Texts(scanner.GetFound()), Is.EqualTo(new[] { "zz", "aa", "zz", "cc" }));
            Assert.That(Texts(scanner.GetFoundSorted()), Is.EqualTo(new[] { "aa", "cc", "zz" }));
            Assert.That(() => scanner.IsFound(5), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => scanner.IsFound(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
        }
    }

    private static bool AgreesWithNaive(byte[][] candidates, byte[] contents, byte[] pieces)
    {
        ReferencePattern pattern = new(candidates.Select(c => new ReadOnlyMemory<byte>(c)));
        ReferenceScanner whole = new(pattern);
        whole.Scan(contents);
        ReferenceScanner pieced = new(pattern);
        ReferenceScan scan = pieced.StartFile();
        ReadOnlySpan<byte> rest = contents;
        foreach (byte piece in pieces)
        {
            int length = Math.Min(piece, rest.Length);
            scan.Append(rest[..length]);
            rest = rest[length..];
        }

        scan.Append(rest);
        for (int i = 0; i < candidates.Length; i++)
        {
            bool expected = contents.AsSpan().IndexOf(candidates[i]) >= 0;
            if (whole.IsFound(i) != expected || pieced.IsFound(i) != expected)
            {
                return false;
            }
        }

        return true;
    }

    private static byte[] RandomHash(Random random) => [.. Enumerable.Range(0, 32).Select(_ => (byte)Alphabet[random.Next(32)])];

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static IEnumerable<string> Texts(IEnumerable<ReadOnlyMemory<byte>> found) => found.Select(f => Encoding.UTF8.GetString(f.Span));

    private sealed class SlowStream(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, piece)]);

        public override ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken = default) =>
            base.ReadAsync(destination[..Math.Min(destination.Length, piece)], cancellationToken);
    }
}
