using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Model;

[TestFixture]
[TestOf(typeof(CastoreDirectory))]
public sealed class CastoreDirectoryTests
{
    private static readonly Node SomeDirectory = new Node.Directory(default, 42);

    /// <summary>
    /// The directories whose encoding and digest are known from elsewhere: name, directory, size R1, size R2, encoding, digest.
    /// </summary>
    private static IEnumerable<TestCaseData> Known =>
    [
        Vector("A", SampleTrees.Empty, 0, 0, "", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        Vector(
            "KEEP",
            SampleTrees.Keep,
            1,
            2,
            "12290a052e6b6565701220af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "8b5b5d642b646bb8ed504b0862c39413e87e57491497de7bd075953f7b83810e"),
        Vector(
            "COMPL (R2)",
            SampleTrees.Complicated,
            5,
            8,
            "0a2a0a046b65657012208b5b5d642b646bb8ed504b0862c39413e87e57491497de7bd075953f7b83810e180212290a052e6b6565701220af1349b9f5f9a1a6"
            + "a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f32621a1e0a02616112182f6e69782f73746f72652f736f6d657768657265656c7365",
            "424a7f6ce08d805d15b428062faae96299a1675d708c3a39261afe38cdd04feb"),
        Vector(
            "COMPL (R1)",
            SampleTrees.ComplicatedBySingleSize,
            4,
            7,
            "0a2a0a046b65657012208b5b5d642b646bb8ed504b0862c39413e87e57491497de7bd075953f7b83810e180112290a052e6b6565701220af1349b9f5f9a1a6"
            + "a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f32621a1e0a02616112182f6e69782f73746f72652f736f6d657768657265656c7365",
            "3f951a15afd586fb3121ef4d13d582e811ce0e5a7f21c0497fd87490e9e2355a"),
        Vector(
            "B",
            SampleTrees.OneEmptyChild,
            1,
            2,
            "0a250a01611220af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "8701f4722d8dae7f2c40fa003331b8437a3825f9e1bfd3a77998c64cc226b9cc"),
        Vector(
            "S1",
            SampleTrees.Make(("b", new Node.Directory(default, 1))),
            2,
            3,
            "0a270a0162122000000000000000000000000000000000000000000000000000000000000000001801",
            "98d454aa71a61e9d96dcaafac72c008310a60179746c9da910718cc992d46f85"),
        Vector(
            "L1",
            SampleTrees.Make(("foo", Symlink("bar"))),
            1,
            2,
            "1a0a0a03666f6f1203626172",
            "e3af91a48ec7a206a97eb6e8f37c6c3601e48871dbd5e63eb03709e11dbbc088"),
        Vector(
            "M1",
            SampleTrees.Make(("b", SomeDirectory), ("c", SomeDirectory), ("a", Symlink("foo"))),
            87,
            90,
            "0a270a016212200000000000000000000000000000000000000000000000000000000000000000182a"
            + "0a270a016312200000000000000000000000000000000000000000000000000000000000000000182a1a080a01611203666f6f",
            "ae6543fc0e5c92fbeff190268ba869eeb940b715a6fc24ff658097d4fbf7c44c"),
    ];

    [TestCaseSource(nameof(Known))]
    public void Encode_KnownDirectory_GivesTheKnownBytes(
        CastoreDirectory directory, ulong sizeR1, ulong sizeR2, string encoding, string digest)
    {
        Assert.That(Convert.ToHexStringLower(directory.Encode().Span), Is.EqualTo(encoding));
        Assert.That(directory.Digest.ToHexString(), Is.EqualTo(digest));
        Assert.That(directory.GetSize(DirectorySizeRule.EntriesOnce), Is.EqualTo(sizeR1));
        Assert.That(directory.GetSize(DirectorySizeRule.EntriesTwice), Is.EqualTo(sizeR2));
        Assert.That(directory.Size, Is.EqualTo(sizeR2));
        Assert.That(directory.ToNode(), Is.EqualTo(new Node.Directory(directory.Digest, sizeR2)));
        Assert.That(directory.ToNode(DirectorySizeRule.EntriesOnce), Is.EqualTo(new Node.Directory(directory.Digest, sizeR1)));
    }

    [TestCaseSource(nameof(Known))]
    public void Decode_KnownBytes_GivesTheKnownDirectory(
        CastoreDirectory directory, ulong sizeR1, ulong sizeR2, string encoding, string digest)
    {
        CastoreDirectory decoded = CastoreDirectory.Decode(Convert.FromHexString(encoding));
        Assert.That(decoded.Entries, Is.EqualTo(directory.Entries));
        Assert.That(decoded, Is.EqualTo(directory));
        Assert.That(decoded.GetHashCode(), Is.EqualTo(directory.GetHashCode()));
        Assert.That(decoded.GetSize(DirectorySizeRule.EntriesOnce), Is.EqualTo(sizeR1));
        Assert.That(decoded.Size, Is.EqualTo(sizeR2));
        Assert.That(decoded.Digest, Is.EqualTo(B3Digest.ParseHex(digest)));
    }

    [Test]
    public void FromEntries_MixedKinds_IteratesInNameOrder()
    {
        Assert.That(SampleTrees.Complicated.Select(entry => entry.Name.ToString()), Is.EqualTo(new[] { ".keep", "aa", "keep" }));
        Assert.That(SampleTrees.Complicated.Entries.Select(entry => entry.Name.ToString()), Is.EqualTo(new[] { ".keep", "aa", "keep" }));
        Assert.That(SampleTrees.Complicated.Count, Is.EqualTo(3));
        Assert.That(SampleTrees.Complicated[2].Node, Is.InstanceOf<Node.Directory>());
        Assert.That(() => SampleTrees.Complicated[3], Throws.InstanceOf<IndexOutOfRangeException>());
    }

    [Test]
    public void FromEntries_NameTwice_IsDuplicate()
    {
        AssertFails(() => SampleTrees.Make(("a", SomeDirectory), ("a", Symlink("b"))), DirectoryError.DuplicateName, "a");
        AssertFails(
            () => SampleTrees.Make(("b", Symlink("b")), ("a", SomeDirectory), ("b", Symlink("b"))), DirectoryError.DuplicateName, "b");
    }

    [Test]
    public void FromEntries_SizesAtTheEdge_OverflowOrNot()
    {
        // Two entries count four, and the other child has 1.
        Node Rest(ulong size) => new Node.Directory(default, size);
        CastoreDirectory largest = SampleTrees.Make(("a", Rest(1)), ("b", Rest(ulong.MaxValue - 5)));
        Assert.That(largest.Size, Is.EqualTo(ulong.MaxValue));
        AssertFails(() => SampleTrees.Make(("a", Rest(1)), ("b", Rest(ulong.MaxValue - 4))), DirectoryError.SizeOverflow, "b");
        AssertFails(() => SampleTrees.Make(("a", Rest(ulong.MaxValue)), ("b", Rest(0))), DirectoryError.SizeOverflow, "a");
        AssertFails(
            () => SampleTrees.Make(("a", Rest(ulong.MaxValue - 1)), ("b", Rest(ulong.MaxValue - 1))), DirectoryError.SizeOverflow, "b");
    }

    [Test]
    public void FromEntries_NoNameOrNode_IsTheCallersMistake()
    {
        Assert.That(() => CastoreDirectory.FromEntries(null!), Throws.ArgumentNullException);
        Assert.That(() => CastoreDirectory.FromEntries([new DirectoryEntry(default, SomeDirectory)]), Throws.ArgumentException);
        Assert.That(() => CastoreDirectory.FromEntries([new DirectoryEntry(new PathComponent("a"), null!)]), Throws.ArgumentException);
    }

    [Test]
    public void FromEntries_ArrayChangedLater_KeepsItsOwn()
    {
        DirectoryEntry[] entries = [new(new PathComponent("b"), SomeDirectory), new(new PathComponent("a"), SomeDirectory)];
        CastoreDirectory directory = CastoreDirectory.FromEntries(entries);
        Assert.That(entries[0].Name.ToString(), Is.EqualTo("b"), "the caller's array is not sorted");
        entries[0] = default;
        Assert.That(directory.Select(entry => entry.Name.ToString()), Is.EqualTo(new[] { "a", "b" }));
    }

    [Test]
    public void Add_Entry_KeepsTheOrder()
    {
        CastoreDirectory directory = SampleTrees.Keep.Add(new PathComponent("keep"), SampleTrees.Keep.ToNode())
            .Add(new PathComponent("aa"), Symlink("/nix/store/somewhereelse"));
        Assert.That(directory, Is.EqualTo(SampleTrees.Complicated));
        Assert.That(SampleTrees.Keep.Count, Is.EqualTo(1), "the original is not changed");
    }

    [Test]
    public void Add_Impossible_ReportsTheOverflowFirst()
    {
        Node huge = new Node.Directory(default, ulong.MaxValue);
        AssertFails(() => CastoreDirectory.Empty.Add(new PathComponent("foo"), huge), DirectoryError.SizeOverflow, "foo");
        AssertFails(() => SampleTrees.Keep.Add(new PathComponent(".keep"), huge), DirectoryError.SizeOverflow, ".keep");
        AssertFails(() => SampleTrees.Keep.Add(new PathComponent(".keep"), SomeDirectory), DirectoryError.DuplicateName, ".keep");
        Assert.That(() => SampleTrees.Keep.Add(new PathComponent("a"), null!), Throws.ArgumentNullException);
        Assert.That(() => SampleTrees.Keep.Add(default, SomeDirectory), Throws.ArgumentException);
    }

    [Test]
    public void TryGetNode_AnyName_FindsItOrNot()
    {
        CastoreDirectory directory = SampleTrees.Wide(101).Root;
        foreach (DirectoryEntry entry in directory)
        {
            Assert.That(directory.TryGetNode(entry.Name, out Node? node), Is.True);
            Assert.That(node, Is.SameAs(entry.Node));
        }

        Assert.That(directory.TryGetNode("0"u8, out _), Is.False);
        Assert.That(directory.TryGetNode("000050x"u8, out _), Is.False);
        Assert.That(directory.TryGetNode("x"u8, out _), Is.False);
        Assert.That(CastoreDirectory.Empty.TryGetNode("x"u8, out _), Is.False);
    }

    [Test]
    public void GetSize_UnknownRule_Throws() =>
        Assert.That(() => SampleTrees.Keep.GetSize((DirectorySizeRule)9), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void DecodeVerified_OtherBytes_Throws()
    {
        byte[] message = SampleTrees.Keep.Encode().ToArray();
        Assert.That(CastoreDirectory.DecodeVerified(SampleTrees.Keep.Digest, message, "here"), Is.EqualTo(SampleTrees.Keep));

        message[5] ^= 1;
        DigestMismatchException e = Assert.Throws<DigestMismatchException>(
            () => CastoreDirectory.DecodeVerified(SampleTrees.Keep.Digest, message, "here"))!;
        Assert.That(e.Expected, Is.EqualTo(SampleTrees.Keep.Digest));
        Assert.That(e.Actual, Is.EqualTo(Blake3Hasher.HashData(message)));
        Assert.That(e.Message, Does.Contain("here"));
    }

    [Test]
    public void DecodeVerified_NotCanonical_Throws()
    {
        byte[] message = [.. SampleTrees.Keep.Encode().Span, 0x20, 0x00]; // an unknown field
        AssertFails(
            () => CastoreDirectory.DecodeVerified(Blake3Hasher.HashData(message), message, "here"), DirectoryError.Malformed, "");
    }

    [FsCheck.NUnit.Property(Arbitrary = [typeof(ModelGenerators)], Replay = ModelGenerators.Replay, MaxTest = 300)]
    public bool Decode_OfEncode_IsIdentity(DirectoryEntry[] entries)
    {
        CastoreDirectory directory = CastoreDirectory.FromEntries(entries);
        CastoreDirectory decoded = CastoreDirectory.DecodeVerified(directory.Digest, directory.Encode().ToArray(), "here");
        return decoded.Entries.SequenceEqual(directory.Entries) && decoded.Size == directory.Size;
    }

    [FsCheck.NUnit.Property(Arbitrary = [typeof(ModelGenerators)], Replay = ModelGenerators.Replay, MaxTest = 300)]
    public bool FromEntries_AnyOrder_GivesTheSame(DirectoryEntry[] entries, int seed)
    {
        CastoreDirectory directory = CastoreDirectory.FromEntries(entries);
        DirectoryEntry[] shuffled = [.. entries];
        new Random(seed).Shuffle(shuffled);
        return CastoreDirectory.FromEntries(shuffled).Digest == directory.Digest
            && directory.Entries.SequenceEqual(entries.OrderBy(entry => entry.Name))
            && directory.Entries.SequenceEqual(AddAll(entries).Entries);
    }

    private static CastoreDirectory AddAll(DirectoryEntry[] entries) =>
        entries.Aggregate(CastoreDirectory.Empty, (sum, entry) => sum.Add(entry.Name, entry.Node));

    private static Node Symlink(string target) => new Node.Symlink(new SymlinkTarget(target));

    private static TestCaseData Vector(
        string name, CastoreDirectory directory, ulong sizeR1, ulong sizeR2, string encoding, string digest) =>
        new TestCaseData(directory, sizeR1, sizeR2, encoding, digest).SetArgDisplayNames(name);

    private static void AssertFails(Action action, DirectoryError error, string name)
    {
        InvalidDirectoryException e = Assert.Throws<InvalidDirectoryException>(action)!;
        Assert.That(e.Error, Is.EqualTo(error));
        Assert.That(e.Name.ToArray(), Is.EqualTo(System.Text.Encoding.UTF8.GetBytes(name)));
    }
}
