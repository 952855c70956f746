using System.Text;
using Google.Protobuf;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Testing;
using Wire = Tvix.Store.Grpc.Protos.Tvix.Castore.V1;

namespace Tvix.Castore.Tests.Model;

/// <summary>Messages are made with Google.Protobuf here, so that they do not come from the code under test.</summary>
[TestFixture]
[TestOf(typeof(DirectoryCodec))]
public sealed class DirectoryCodecTests
{
    private static readonly ByteString Zeros = ByteString.CopyFrom(new byte[32]);

    [Test]
    public void Decode_NamesInWrongOrder_IsWrongSorting()
    {
        AssertFails(new() { Directories = { Dir("b"), Dir("a") } }, DirectoryError.WrongSorting, "a");
        AssertFails(new() { Files = { File("b"), File("a") } }, DirectoryError.WrongSorting, "a");
        AssertFails(new() { Symlinks = { Link("b"), Link("a") } }, DirectoryError.WrongSorting, "a");
        Assert.That(
            CastoreDirectory.Decode(new Wire.Directory { Directories = { Dir("a"), Dir("b") } }.ToByteArray()).Count, Is.EqualTo(2));
        Assert.That(
            CastoreDirectory.Decode(new Wire.Directory { Directories = { Dir("b") }, Files = { File("a") } }.ToByteArray()).Count,
            Is.EqualTo(2));
    }

    [Test]
    public void Decode_NameTwice_IsDuplicate()
    {
        AssertFails(new() { Directories = { Dir("a") }, Symlinks = { Link("a") } }, DirectoryError.DuplicateName, "a");
        AssertFails(new() { Files = { File("a"), File("a") } }, DirectoryError.DuplicateName, "a");
    }

    [TestCase(".", PathComponentError.CurrentDirectory)]
    [TestCase("..", PathComponentError.ParentDirectory)]
    [TestCase("\0", PathComponentError.ContainsNull)]
    [TestCase("a/b", PathComponentError.ContainsSlash)]
    [TestCase("", PathComponentError.Empty)]
    public void Decode_InvalidName_SaysWhy(string name, PathComponentError error)
    {
        foreach (Wire.Directory message in new Wire.Directory[]
        {
            new() { Directories = { Dir(name) } }, new() { Files = { File(name) } }, new() { Symlinks = { Link(name) } },
            new() { Files = { File(name), File(name) } }, // for an invalid name, that it comes twice matters less
        })
        {
            Assert.That(AssertFails(message, DirectoryError.InvalidName, name).NameError, Is.EqualTo(error));
        }
    }

    [TestCase(0)]
    [TestCase(2)]
    [TestCase(31)]
    [TestCase(33)]
    public void Decode_DigestOfAnotherLength_IsInvalidNode(int length)
    {
        ByteString digest = ByteString.CopyFrom(new byte[length]);
        Wire.Directory[] messages =
        [
            new() { Directories = { Dir("foo", digest) } },
            new() { Files = { new Wire.FileNode { Name = Bytes("foo"), Digest = digest } } },
        ];
        foreach (Wire.Directory message in messages)
        {
            Assert.That(AssertFails(message, DirectoryError.InvalidNode, "foo").DigestLength, Is.EqualTo(length));
        }

        AssertFails(new() { Directories = { Dir(".", digest) } }, DirectoryError.InvalidNode, "."); // looked at before the name
    }

    [TestCase("", SymlinkTargetError.Empty)]
    [TestCase("a\0", SymlinkTargetError.ContainsNull)]
    public void Decode_InvalidTarget_IsInvalidNode(string target, SymlinkTargetError error) =>
        Assert.That(
            AssertFails(new() { Symlinks = { Link("foo", target) } }, DirectoryError.InvalidNode, "foo").TargetError, Is.EqualTo(error));

    [Test]
    public void Decode_LongTarget_IsInvalidNode() =>
        Assert.That(
            AssertFails(new() { Symlinks = { Link("foo", new string('X', 4096)) } }, DirectoryError.InvalidNode, "foo").TargetError,
            Is.EqualTo(SymlinkTargetError.TooLong));

    [Test]
    public void Decode_SizesTooLarge_IsSizeOverflow() =>
        AssertFails(new() { Directories = { Dir("a", size: ulong.MaxValue) } }, DirectoryError.SizeOverflow, "a");

    [Test]
    public void Decode_OrderIsLookedAtBeforeNodes_InAllLists()
    {
        // The wrong order is in the last list, the bad digest in the first.
        Wire.Directory message = new() { Directories = { Dir("a", ByteString.Empty) }, Symlinks = { Link("b"), Link("a") } };
        AssertFails(message, DirectoryError.WrongSorting, "a");
    }

    [TestCase("0a", Description = "a tag without a value")]
    [TestCase("0a05", Description = "a length beyond the end")]
    [TestCase("0aff", Description = "a length that does not end")]
    [TestCase("0affffffffffffffffff01", Description = "a length of 2^64 - 1")]
    [TestCase("0affffffffffffffffffff01", Description = "a length of eleven bytes")]
    [TestCase("00", Description = "field number 0")]
    [TestCase("02", Description = "field number 0")]
    [TestCase("0800", Description = "a number where a list is")]
    [TestCase("0d00000000", Description = "four bytes where a list is")]
    [TestCase("0b0c", Description = "a group where a list is")]
    [TestCase("26", Description = "wire type 6")]
    [TestCase("27", Description = "wire type 7")]
    [TestCase("24", Description = "the end of a group that did not start")]
    [TestCase("23", Description = "a group that does not end")]
    [TestCase("232c", Description = "a group that ends as another")]
    [TestCase("2308", Description = "a group that ends within a field")]
    [TestCase("21000000", Description = "eight bytes cut off")]
    [TestCase("25000000", Description = "four bytes cut off")]
    [TestCase("2080", Description = "a number that does not end")]
    [TestCase("20ffffffffffffffffff02", Description = "a number of 65 bits")]
    [TestCase("ffffffff1f00", Description = "a tag of more than 32 bits")]
    [TestCase("0a020a05", Description = "a name cut off")]
    [TestCase("0a020800", Description = "a number for a name")]
    [TestCase("0a021000", Description = "a number for a digest")]
    [TestCase("0a021a00", Description = "bytes for a size")]
    [TestCase("12022200", Description = "bytes for a flag")]
    [TestCase("1a021000", Description = "a number for a target")]
    public void Decode_NotProtobuf_IsMalformed(string hex)
    {
        byte[] message = Convert.FromHexString(hex);
        InvalidDirectoryException e = Assert.Throws<InvalidDirectoryException>(() => CastoreDirectory.Decode(message))!;
        Assert.That(e.Error, Is.EqualTo(DirectoryError.Malformed));
    }

    [Test]
    public void Decode_DeepGroups_AreSkippedUpToALimit()
    {
        byte[] Groups(int depth) => [.. Enumerable.Repeat((byte)0x23, depth), .. Enumerable.Repeat((byte)0x24, depth)];
        Assert.That(CastoreDirectory.Decode(Groups(100)), Is.Empty);
        Assert.That(() => CastoreDirectory.Decode(Groups(101)), Throws.InstanceOf<InvalidDirectoryException>());
        Assert.That(() => CastoreDirectory.Decode(Groups(1_000_000)), Throws.InstanceOf<InvalidDirectoryException>());
    }

    [Test]
    public void Decode_UnusualButValid_IsAcceptedAndNormalised()
    {
        byte[] unknown = [0x20, 0x01, 0x2a, 0x02, 0x01, 0x02, 0x31, 0, 0, 0, 0, 0, 0, 0, 0, 0x3d, 0, 0, 0, 0, 0x43, 0x08, 0x01, 0x44];
        byte[] keepFile = [.. new Wire.FileNode { Name = Bytes(".keep"), Digest = Zeros, Size = 7 }.ToByteArray(), .. unknown.AsSpan(2)];
        // The last value counts, and a 0 may have two bytes.
        byte[] again = [.. keepFile, 0x12, 0x20, .. B3Digest.Empty.ToByteArray(), 0x18, 0x80, 0x00, 0x20, 0x00];
        byte[] message = [.. unknown, 0x12, (byte)again.Length, .. again, .. unknown];

        CastoreDirectory directory = CastoreDirectory.Decode(message);
        Assert.That(directory, Is.EqualTo(SampleTrees.Keep));
        Assert.That(directory.Encode().ToArray(), Is.EqualTo(SampleTrees.Keep.Encode().ToArray()));
    }

    [Test]
    public void Decode_ListsInOtherOrder_IsAccepted()
    {
        Wire.Directory files = new() { Files = { File("a"), File("c") } }, directories = new() { Directories = { Dir("b") } };
        byte[] message = [.. files.ToByteArray(), .. directories.ToByteArray()];
        CastoreDirectory directory = CastoreDirectory.Decode(message);
        Assert.That(directory.Select(entry => entry.Name.ToString()), Is.EqualTo(new[] { "a", "b", "c" }));
        Assert.That(directory.Encode().ToArray(), Is.EqualTo((byte[])[.. directories.ToByteArray(), .. files.ToByteArray()]));
    }

    [Test]
    public void EncodeNode_AnonymousSymlink_GivesTheKnownBytes()
    {
        Node node = new Node.Symlink(new SymlinkTarget("/nix/store/somewhereelse"));
        byte[] message = DirectoryCodec.EncodeNode([], node);
        Assert.That(Convert.ToHexStringLower(message), Is.EqualTo("1a1a12182f6e69782f73746f72652f736f6d657768657265656c7365"));
        Assert.That(DirectoryCodec.DecodeNode(message, out ReadOnlySpan<byte> name), Is.EqualTo(node));
        Assert.That(name.IsEmpty, Is.True);
    }

    [FsCheck.NUnit.Property(Arbitrary = [typeof(ModelGenerators)], Replay = ModelGenerators.Replay, MaxTest = 300)]
    public bool DecodeNode_OfEncodeNode_IsIdentity(PathComponent expectedName, Node node)
    {
        byte[] message = DirectoryCodec.EncodeNode(expectedName.Bytes, node);
        return DirectoryCodec.DecodeNode(message, out ReadOnlySpan<byte> name) == node
            && name.SequenceEqual(expectedName.Bytes)
            && message.AsSpan().SequenceEqual(Wire.Node.Parser.ParseFrom(message).ToByteArray());
    }

    [Test]
    public void DecodeNode_NothingSet_IsNoNodeSet()
    {
        AssertNodeFails([], DirectoryError.NoNodeSet);
        AssertNodeFails([0x20, 0x01], DirectoryError.NoNodeSet);
    }

    [Test]
    public void DecodeNode_BadBytes_Fails()
    {
        AssertNodeFails([0x0a], DirectoryError.Malformed);
        AssertNodeFails([0x08, 0x00], DirectoryError.Malformed);
        AssertNodeFails([0x00], DirectoryError.Malformed);
        AssertNodeFails([0x26], DirectoryError.Malformed);
        AssertNodeFails([0x0a, 0x02, 0x0a, 0x05], DirectoryError.Malformed);
        AssertNodeFails(new Wire.Node { Symlink = Link("", "") }.ToByteArray(), DirectoryError.InvalidNode);
        AssertNodeFails(new Wire.Node { File = new() }.ToByteArray(), DirectoryError.InvalidNode);
    }

    [Test]
    public void DecodeNode_SeveralTimes_TheLastKindCountsAndTheSameIsMerged()
    {
        byte[] link = new Wire.Node { Symlink = Link("", "target") }.ToByteArray();
        byte[] size = new Wire.Node { File = new() { Size = 5 } }.ToByteArray();
        byte[] flag = new Wire.Node { File = new() { Digest = Zeros, Executable = true } }.ToByteArray();
        byte[][] messages = [[.. size, .. flag], [.. link, .. size, .. flag], [.. flag, .. link], [.. size, .. link, .. flag]];
        foreach (byte[] message in messages)
        {
            Wire.Node theirs = Wire.Node.Parser.ParseFrom(message);
            Node expected = theirs.NodeCase == Wire.Node.NodeOneofCase.File
                ? new Node.File(default, theirs.File.Size, theirs.File.Executable)
                : new Node.Symlink(new SymlinkTarget("target"));
            Assert.That(DirectoryCodec.DecodeNode(message, out _), Is.EqualTo(expected));
        }
    }

    private static ByteString Bytes(string text) => ByteString.CopyFrom(text, Encoding.UTF8);

    private static Wire.DirectoryNode Dir(string name, ByteString? digest = null, ulong size = 0) =>
        new() { Name = Bytes(name), Digest = digest ?? Zeros, Size = size };

    private static Wire.FileNode File(string name) => new() { Name = Bytes(name), Digest = Zeros };

    private static Wire.SymlinkNode Link(string name, string target = "t") => new() { Name = Bytes(name), Target = Bytes(target) };

    private static InvalidDirectoryException AssertFails(Wire.Directory message, DirectoryError error, string name)
    {
        InvalidDirectoryException e = Assert.Throws<InvalidDirectoryException>(() => CastoreDirectory.Decode(message.ToByteArray()))!;
        Assert.That(e.Error, Is.EqualTo(error));
        Assert.That(Encoding.UTF8.GetString(e.Name.Span), Is.EqualTo(name));
        return e;
    }

    private static void AssertNodeFails(byte[] message, DirectoryError error)
    {
        InvalidDirectoryException e = Assert.Throws<InvalidDirectoryException>(() => DirectoryCodec.DecodeNode(message, out _))!;
        Assert.That(e.Error, Is.EqualTo(error));
    }
}
