using System.Globalization;
using Google.Protobuf;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Testing;
using Tvix.Testing.Fuzzing;
using Wire = Tvix.Store.Grpc.Protos.Tvix.Castore.V1;

namespace Tvix.Castore.Tests.Model;

/// <summary>
/// Damaged messages go through our decoder and through Google.Protobuf with the rules of the format spelt out; both must agree.
/// </summary>
/// <remarks>
/// Four differences are known and wanted, since the originals' parser is as strict as ours: Google.Protobuf takes a known field of another
/// wire type for an unknown field; it skips the wire types 6 and 7, which do not exist; it drops the upper bits of tags and lengths beyond
/// 32 bits; and it drops the upper bits of numbers beyond 64 bits. The environment variable <c>TVIX_FUZZ_ITERATIONS</c> sets the number of
/// messages.
/// </remarks>
[TestFixture]
[TestOf(typeof(DirectoryCodec))]
public sealed class DirectoryCodecDifferentialTests
{
    private static readonly MessageParser<Wire.Directory> DirectoryParser = Wire.Directory.Parser.WithDiscardUnknownFields(true);
    private static readonly MessageParser<Wire.Node> NodeParser = Wire.Node.Parser.WithDiscardUnknownFields(true);

    private static int Iterations =>
        int.Parse(Environment.GetEnvironmentVariable("TVIX_FUZZ_ITERATIONS") ?? "200000", CultureInfo.InvariantCulture);

    [Test]
    public void Decode_DamagedDirectories_AgreesWithGoogleProtobuf()
    {
        byte[][] corpus =
        [
            .. SampleTrees.All.Select(tree => tree.Root.Encode().ToArray()).Where(message => message.Length < 1000),
            SampleTrees.ComplicatedBySingleSize.Encode().ToArray(),
            SampleTrees.Make(("a", new Node.Directory(B3Digest.Empty, ulong.MaxValue - 2))).Encode().ToArray(),
            SampleTrees.Make(Enumerable.Range(0, 9).Select(i => ($"{(char)('a' + i)}", Several(i)))).Encode().ToArray(),
        ];
        Mutator mutator = new(
            seed: 1, corpus, [[0x0a], [0x12], [0x1a], [0x18], [0x20], [0x0a, 0x00], [0x23, 0x24], [0x20, 0x00]], maxLength: 4000);
        Dictionary<string, int> outcomes = [];
        for (int i = 0; i < Iterations; i++)
        {
            byte[] message = mutator.Next();
            string outcome = CompareDirectories(message);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        TestContext.Out.WriteLine(string.Join(", ", outcomes.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key}: {pair.Value}")));
        if (Iterations >= 100_000)
        {
            // Or the messages would not be worth much.
            Assert.That(outcomes.Keys, Is.SupersetOf(new[]
            {
                "valid", "Malformed", "DuplicateName", "WrongSorting", "InvalidName", "InvalidNode", "SizeOverflow",
            }));
        }
    }

    [Test]
    public void DecodeNode_DamagedNodes_AgreesWithGoogleProtobuf()
    {
        byte[][] corpus = [.. Enumerable.Range(0, 6).Select(i => DirectoryCodec.EncodeNode(i < 3 ? [] : "name"u8, Several(i)))];
        Mutator mutator = new(seed: 2, corpus, [[0x0a], [0x12], [0x1a], [0x18], [0x20]], maxLength: 1000);
        for (int i = 0; i < Iterations / 4; i++)
        {
            CompareNodes(mutator.Next());
        }
    }

    private static T? ParseOrNull<T>(MessageParser<T> parser, byte[] message)
        where T : class, IMessage<T>
    {
        try
        {
            return parser.ParseFrom(message);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or IndexOutOfRangeException or ArgumentOutOfRangeException)
        {
            return null; // the latter two are slips of Google.Protobuf 3.25 on messages that are cut off
        }
    }

    private static Node Several(int i) => (i % 3) switch
    {
        0 => new Node.Directory(B3Digest.Empty, (ulong)i << (6 * i)),
        1 => new Node.File(B3Digest.Empty, ulong.MaxValue >> i, Executable: i % 2 == 0),
        _ => new Node.Symlink(new SymlinkTarget(new string('t', 1 + (i * 20)))),
    };

    private static string CompareDirectories(byte[] message)
    {
        DirectoryError? ours = null;
        CastoreDirectory? directory = null;
        try
        {
            directory = CastoreDirectory.Decode(message);
        }
        catch (InvalidDirectoryException e)
        {
            ours = e.Error;
        }

        Wire.Directory? theirs = ParseOrNull(DirectoryParser, message);

        if (theirs is null || ours == DirectoryError.Malformed)
        {
            bool agree = theirs is null && ours == DirectoryError.Malformed;
            Assert.That(
                agree || (theirs is not null && WireStrictness.IsStricter(message, depth: 1)), Is.True, () => Describe(message, ours));
            return "Malformed";
        }

        IReadOnlyCollection<DirectoryError> expected = Judge(theirs);
        if (directory is null)
        {
            Assert.That(expected, Has.Member(ours), () => Describe(message, ours));
            return ours.ToString()!;
        }

        Assert.That(expected, Is.Empty, () => Describe(message, ours));
        Assert.That(directory.Encode().Span.SequenceEqual(theirs.ToByteArray()), Is.True, () => Describe(message, ours));
        return "valid";
    }

    private static void CompareNodes(byte[] message)
    {
        Node? ours = null;
        byte[] name = [];
        DirectoryError? error = null;
        try
        {
            ours = DirectoryCodec.DecodeNode(message, out ReadOnlySpan<byte> found);
            name = found.ToArray();
        }
        catch (InvalidDirectoryException e)
        {
            error = e.Error;
        }

        Wire.Node? theirs = ParseOrNull(NodeParser, message);

        if (theirs is null || error == DirectoryError.Malformed)
        {
            bool agree = theirs is null && error == DirectoryError.Malformed;
            Assert.That(
                agree || (theirs is not null && WireStrictness.IsStricter(message, depth: 1)), Is.True, () => Describe(message, error));
            return;
        }

        DirectoryError? expected = theirs switch
        {
            { NodeCase: Wire.Node.NodeOneofCase.None } => DirectoryError.NoNodeSet,
            { Directory.Digest.Length: not 32 } or { File.Digest.Length: not 32 } => DirectoryError.InvalidNode,
            { Symlink: { } link } when SymlinkTarget.Validate(link.Target.Span) != SymlinkTargetError.None => DirectoryError.InvalidNode,
            _ => null,
        };
        Assert.That(error, Is.EqualTo(expected), () => Describe(message, error));
        if (ours is not null)
        {
            Assert.That(DirectoryCodec.EncodeNode(name, ours), Is.EqualTo(theirs.ToByteArray()), () => Describe(message, error));
        }
    }

    /// <summary>The rules of the format, spelt out on the parsed message: what may be reported, or nothing when it is valid.</summary>
    private static IReadOnlyCollection<DirectoryError> Judge(Wire.Directory message)
    {
        IEnumerable<ByteString>[] lists =
            [message.Directories.Select(d => d.Name), message.Files.Select(f => f.Name), message.Symlinks.Select(s => s.Name)];
        foreach (IEnumerable<ByteString> list in lists)
        {
            ByteString previous = ByteString.Empty;
            foreach (ByteString name in list)
            {
                int order = name.Span.SequenceCompareTo(previous.Span);
                if (order < 0)
                {
                    return [DirectoryError.WrongSorting];
                }

                if (order == 0)
                {
                    return [IsName(name) ? DirectoryError.DuplicateName : DirectoryError.InvalidName];
                }

                previous = name;
            }
        }

        IEnumerable<(bool NodeIsValid, ByteString Name)> nodes =
        [
            .. message.Directories.Select(d => (d.Digest.Length == 32, d.Name)),
            .. message.Files.Select(f => (f.Digest.Length == 32, f.Name)),
            .. message.Symlinks.Select(s => (SymlinkTarget.Validate(s.Target.Span) == SymlinkTargetError.None, s.Name)),
        ];
        foreach ((bool nodeIsValid, ByteString name) in nodes)
        {
            if (!nodeIsValid)
            {
                return [DirectoryError.InvalidNode];
            }

            if (!IsName(name))
            {
                return [DirectoryError.InvalidName];
            }
        }

        // Which of the two is found first is left open.
        List<DirectoryError> found = [];
        UInt128 size = 2 * (UInt128)nodes.Count();
        foreach (Wire.DirectoryNode child in message.Directories)
        {
            size += child.Size;
        }

        if (size > ulong.MaxValue)
        {
            found.Add(DirectoryError.SizeOverflow);
        }

        if (nodes.DistinctBy(node => node.Name).Count() < nodes.Count())
        {
            found.Add(DirectoryError.DuplicateName);
        }

        return found;
    }

    private static bool IsName(ByteString name) => PathComponent.Validate(name.Span) == PathComponentError.None;

    private static string Describe(byte[] message, DirectoryError? ours) =>
        $"{Convert.ToHexStringLower(message)}: we say {ours?.ToString() ?? "valid"}.";
}
