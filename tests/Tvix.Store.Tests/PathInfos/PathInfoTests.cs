using System.Text;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.NarInfos;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture]
public sealed class PathInfoTests
{
    private const string DummyName = "00000000000000000000000000000000-dummy";
    private const string SymlinkNarHash = "097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1";

    private const string LinkMessage =
        "0a431a410a2568723837306c6c61393637333772696d6d67686733766a636461347a6b3279332d6c696e6b"
        + "12182f6e69782f73746f72652f736f6d657768657265656c7365"
        + "1a490888011220" + SymlinkNarHash + "32221220" + SymlinkNarHash;

    private const string MinimalMessage =
        "0a441a420a2630303030303030303030303030303030303030303030303030303030303030302d64756d6d79"
        + "12182f6e69782f73746f72652f736f6d657768657265656c7365"
        + "1a250888011220" + SymlinkNarHash;

    private static readonly byte[] Zeros32 = new byte[32];
    private static readonly byte[] Zeros20 = new byte[20];
    private static readonly string ZerosMessage =
        $"0a4c0a4a0a26{Hex(DummyName)}1220{Hex(Zeros32)}1214{Hex(Zeros20)}1a6e1220{Hex(Zeros32)}2226{Hex(DummyName)}32221220{Hex(Zeros32)}";

    private static readonly PathInfo Link = new()
    {
        StorePath = StorePath.ParseBaseName("hr870lla96737rimmghg3vjcda4zk2y3-link"),
        Node = new Node.Symlink(new SymlinkTarget("/nix/store/somewhereelse")),
        NarSize = 136,
        NarHash = Sha256Digest.ParseHex(SymlinkNarHash),
        ContentAddress = ContentAddress.Nar(Sha256Digest.ParseHex(SymlinkNarHash)),
    };

    public static IEnumerable<TestCaseData> Golden =>
    [
        new TestCaseData(Link, LinkMessage, 144).SetArgDisplayNames("link"),
        new TestCaseData(SamplePathInfos.Minimal, MinimalMessage, 109).SetArgDisplayNames("minimal"),
        new TestCaseData(SamplePathInfos.Zeros, ZerosMessage, 212).SetArgDisplayNames("zeros"),
    ];

    public static IEnumerable<TestCaseData> Malformed =>
    [
        Bad("NarInfoMissing", PathInfoError.MissingNarInfo, m => m.NarInfo = null),
        Bad("Empty", PathInfoError.MissingNarInfo, m => (m.NarInfo, m.Node, m.References) = (null, null, [])),
        Bad(
            "SecondReferenceShort",
            PathInfoError.InvalidReferenceDigestLength,
            m => m.References = [Zeros20, [1, 2]],
            index: 1,
            found: 2,
            expected: 20),
        Bad("NoReferenceNames", PathInfoError.InconsistentNumberOfReferences, m => m.NarInfo!.ReferenceNames = [], found: 0, expected: 1),
        Bad("NoReferences", PathInfoError.InconsistentNumberOfReferences, m => m.References = [], found: 1, expected: 0),
        Bad(
            "ReferenceNameAbsolute",
            PathInfoError.InvalidReferenceName,
            m => m.NarInfo!.ReferenceNames = [Utf8("/nix/store/" + DummyName)],
            index: 0,
            path: StorePathError.InvalidHashEncoding),
        Bad(
            "ReferenceNameShort",
            PathInfoError.InvalidReferenceName,
            m => m.NarInfo!.ReferenceNames = [Utf8("foo")],
            index: 0,
            path: StorePathError.InvalidLength),
        Bad("ReferenceOther", PathInfoError.InconsistentReferenceDigest, m => m.References = [Ones(20)], index: 0),
        Bad(
            "FirstReferenceOtherSecondNameBad",
            PathInfoError.InconsistentReferenceDigest,
            m => (m.References, m.NarInfo!.ReferenceNames) = ([Ones(20), Zeros20], [Utf8(DummyName), Utf8("foo")]),
            index: 0),
        Bad(
            "SecondNameBad",
            PathInfoError.InvalidReferenceName,
            m => (m.References, m.NarInfo!.ReferenceNames) = ([Zeros20, Zeros20], [Utf8(DummyName), Utf8("foo")]),
            index: 1,
            path: StorePathError.InvalidLength),
        Bad("NodeMissing", PathInfoError.MissingNode, m => m.Node = null),
        Bad("NodeEmpty", PathInfoError.InvalidRootNode, m => m.Node = []),
        Bad("DirectoryDigestEmpty", PathInfoError.InvalidRootNode, m => m.Node = Field(1, Field(1, Utf8(DummyName)))),
        Bad("FileDigestEmpty", PathInfoError.InvalidRootNode, m => m.Node = Field(2, Field(1, Utf8(DummyName)))),
        Bad("SymlinkTargetEmpty", PathInfoError.InvalidRootNode, m => m.Node = Field(3, Field(1, Utf8(DummyName)))),
        Bad("NodeNameEmpty", PathInfoError.InvalidRootNode, m => m.Node = Field(1, Field(2, Zeros32))),
        Bad("NodeNameWithSlash", PathInfoError.InvalidRootNode, m => m.Node = DirectoryNode("a/b")),
        Bad(
            "DirectoryNameInvalid",
            PathInfoError.InvalidNodeName,
            m => m.Node = DirectoryNode("invalid"),
            path: StorePathError.InvalidLength),
        Bad(
            "FileNameInvalid",
            PathInfoError.InvalidNodeName,
            m => m.Node = Field(2, [.. Field(1, Utf8("invalid")), .. Field(2, Zeros32)]),
            path: StorePathError.InvalidLength),
        Bad(
            "SymlinkNameInvalid",
            PathInfoError.InvalidNodeName,
            m => m.Node = Field(3, [.. Field(1, Utf8("invalid")), .. Field(2, Utf8("x"))]),
            path: StorePathError.InvalidLength),
        Bad("NarHashShort", PathInfoError.InvalidNarHashLength, m => m.NarInfo!.NarHash = [0xbe, 0xef], found: 2, expected: 32),
        Bad("NarHashMissing", PathInfoError.InvalidNarHashLength, m => m.NarInfo!.NarHash = null, found: 0, expected: 32),
        Bad(
            "DeriverWithoutDigest",
            PathInfoError.InvalidDeriver,
            m => m.NarInfo!.Deriver = Field(1, Utf8("foo")),
            path: StorePathError.InvalidLength),
        Bad(
            "DeriverWithBadName",
            PathInfoError.InvalidDeriver,
            m => m.NarInfo!.Deriver = [.. Field(1, Utf8("f/o")), .. Field(2, Zeros20)],
            path: StorePathError.InvalidName),
        Bad(
            "SignatureShort",
            PathInfoError.InvalidSignatureLength,
            m => m.NarInfo!.Signatures = [Signature(64), Signature(63)],
            index: 1,
            found: 63,
            expected: 64),
        Bad(
            "ContentAddressShort",
            PathInfoError.InvalidContentAddressLength,
            m => m.NarInfo!.ContentAddress = Field(2, Zeros20),
            found: 20,
            expected: 32),
        Bad(
            "ContentAddressUnknown",
            PathInfoError.UnknownContentAddressType,
            m => m.NarInfo!.ContentAddress = [8, 9, .. Field(2, Zeros32)],
            found: 9),
        Bad(
            "ContentAddressNegative",
            PathInfoError.UnknownContentAddressType,
            m => m.NarInfo!.ContentAddress = [8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            found: -1),
        Bad("TrailingByte", PathInfoError.Malformed, m => m.Extra = [0x0a]),
        Bad("ReferencesOfOtherWireType", PathInfoError.Malformed, m => m.Extra = [0x10, 1]),
        Bad("NodeMalformed", PathInfoError.Malformed, m => m.Node = [0x0a, 0x7f]),
        Bad("NarSizeOfOtherWireType", PathInfoError.Malformed, m => m.NarInfo!.Extra = [0x0a, 0]),
        Bad("ReferenceNameNotUtf8", PathInfoError.Malformed, m => m.NarInfo!.ReferenceNames = [[0xff]]),
        Bad(
            "SignatureNameNotUtf8",
            PathInfoError.Malformed,
            m => m.NarInfo!.Signatures = [[.. Field(1, [0xff]), .. Field(2, new byte[64])]]),
        Bad("ContentAddressMalformed", PathInfoError.Malformed, m => m.NarInfo!.ContentAddress = [0x0a]),
    ];

    [TestCaseSource(nameof(Golden))]
    public void Encode_Sample_GivesTheKnownBytes(PathInfo info, string hex, int length)
    {
        Assert.That(Convert.ToHexStringLower(info.Encode()), Is.EqualTo(hex));
        Assert.That(info.Encode(), Has.Length.EqualTo(length));
    }

    [TestCaseSource(nameof(Golden))]
    public void Decode_Sample_GivesIt(PathInfo info, string hex, int length)
    {
        byte[] message = Convert.FromHexString(hex);

        Assert.That(message, Has.Length.EqualTo(length));
        Assert.That(PathInfo.Decode(message), Is.EqualTo(info));
    }

    [TestCaseSource(typeof(SamplePathInfos), nameof(SamplePathInfos.All))]
    public void Decode_OfEncode_IsIdentity(PathInfo info) => Assert.That(PathInfo.Decode(info.Encode()), Is.EqualTo(info));

    [Test]
    public void Decode_OfEncodeOfEveryContentAddress_IsIdentity()
    {
        List<byte> types = [];
        foreach (ContentAddressKind kind in Enum.GetValues<ContentAddressKind>())
        {
            foreach (NixHashAlgorithm algorithm in Enum.GetValues<NixHashAlgorithm>())
            {
                if (kind == ContentAddressKind.Text && algorithm != NixHashAlgorithm.Sha256)
                {
                    continue;
                }

                ContentAddress address = new(kind, NixHash.Compute(algorithm, "x"u8));
                PathInfo info = SamplePathInfos.Minimal with { ContentAddress = address };
                byte[] message = info.Encode();
                int bodySize = 2 + address.Hash.Digest.Length;
                types.Add(
                    address is { Kind: ContentAddressKind.Nar, Hash.Algorithm: NixHashAlgorithm.Sha256 }
                        ? (byte)0
                        : message[^(bodySize + 1)]);

                Assert.That(PathInfo.Decode(message), Is.EqualTo(info), address.ToString());
            }
        }

        // text; flat with MD5, SHA-1, SHA-256, SHA-512; NAR with the same
        Assert.That(types, Is.EqualTo(new byte[] { 4, 6, 5, 7, 8, 3, 1, 0, 2 }));
    }

    [Test]
    public void RawMessage_Unchanged_IsTheSample() => Assert.That(new RawMessage().ToBytes(), Is.EqualTo(SamplePathInfos.Zeros.Encode()));

    [TestCaseSource(nameof(Malformed))]
    public void Decode_Malformed_TellsWhat(
        PathInfoError error, int? index, int? found, int? expected, StorePathError storePathError, Action<RawMessage> change)
    {
        RawMessage message = new();
        change(message);

        InvalidPathInfoException? e = Assert.Throws<InvalidPathInfoException>(() => PathInfo.Decode(message.ToBytes()));

        Assert.That(
            (e!.Error, e.Index, e.Found, e.Expected, e.StorePathError),
            Is.EqualTo((error, index, found, expected, storePathError)));
        Assert.That(
            e.InnerException,
            error == PathInfoError.InvalidRootNode
                ? Is.TypeOf<InvalidDirectoryException>()
                : Is.Null.Or.TypeOf<InvalidDirectoryException>());
    }

    [Test]
    public void Malformed_Cases_CoverEveryError() =>
        Assert.That(Malformed.Select(c => (PathInfoError)c.Arguments[0]!).Distinct(), Is.EquivalentTo(Enum.GetValues<PathInfoError>()));

    [Test]
    public void Decode_SeveralFaults_TellsTheFirstRule()
    {
        RawMessage message = new();
        message.NarInfo!.ContentAddress = [8, 9];
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.UnknownContentAddressType));
        message.NarInfo.Signatures = [Signature(1)];
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.InvalidSignatureLength));
        message.NarInfo.Deriver = [];
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.InvalidDeriver));
        message.NarInfo.NarHash = [];
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.InvalidNarHashLength));
        message.Node = DirectoryNode("invalid");
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.InvalidNodeName));
        message.Node = [];
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.InvalidRootNode));
        message.Node = null;
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.MissingNode));
        message.NarInfo.ReferenceNames = [Utf8("foo")];
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.InvalidReferenceName));
        message.NarInfo.ReferenceNames = [];
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.InconsistentNumberOfReferences));
        message.References = [[1]];
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.InvalidReferenceDigestLength));
        message.NarInfo = null;
        Assert.That(ErrorOf(message), Is.EqualTo(PathInfoError.MissingNarInfo));

        static PathInfoError ErrorOf(RawMessage message) =>
            Assert.Throws<InvalidPathInfoException>(() => PathInfo.Decode(message.ToBytes()))!.Error;
    }

    [Test]
    public void Decode_UnknownFieldsAndPieces_AreReadAsProtobufSays()
    {
        RawMessage message = new() { Extra = [.. Field(9, [1, 2]), 0x78, 1, .. Field(3, [8, 42])] }; // the NAR's size in a second piece
        message.NarInfo!.Extra = [.. Field(7, [1])];

        Assert.That(PathInfo.Decode(message.ToBytes()), Is.EqualTo(SamplePathInfos.Zeros with { NarSize = 42 }));
    }

    [Test]
    public void Decode_DeriverNamedAsDerivation_IsKept()
    {
        RawMessage message = new();
        message.NarInfo!.Deriver = [.. Field(1, Utf8("x.drv")), .. Field(2, Zeros20)];

        Assert.That(PathInfo.Decode(message.ToBytes()).Deriver!.Name, Is.EqualTo("x.drv"));
    }

    [Test]
    public void ToNarInfo_Minimal_IsWrittenAsKnown() => Assert.That(
        SamplePathInfos.Minimal.ToNarInfo("nar/tvix-castore/GhoSGC9uaXgvc3RvcmUvc29tZXdoZXJlZWxzZQ?narsize=136").ToText(),
        Is.EqualTo(
            "StorePath: /nix/store/00000000000000000000000000000000-dummy\n"
            + "URL: nar/tvix-castore/GhoSGC9uaXgvc3RvcmUvc29tZXdoZXJlZWxzZQ?narsize=136\n"
            + "Compression: none\n"
            + "NarHash: sha256:1wcwacrb5q36hpsx1shk0dkm26hwbmqmgi0nm973h9jqkdz3jz89\n"
            + "NarSize: 136\n"
            + "References: \n"));

    [Test]
    public void ToNarInfo_OfFromNarInfo_GivesTheSameText([Values(NarInfoSamples.Main)] string text)
    {
        NarInfo narInfo = NarInfo.Parse(text);
        PathInfo info = PathInfo.FromNarInfo(narInfo, new Node.Directory(default, 0));

        Assert.That(info.ToNarInfo(narInfo.Url).ToText(), Is.EqualTo(text));
        Assert.That(info.GetFingerprint(), Is.EqualTo(narInfo.GetFingerprint()));
        Assert.That(PathInfo.Decode(info.Encode()), Is.EqualTo(info));
    }

    [Test]
    public void FromNarInfo_Curl_KeepsWhatIsSigned()
    {
        PathInfo info = PathInfo.FromNarInfo(NarInfo.Parse(NarInfoSamples.Curl), new Node.Directory(default, 0));

        Assert.That(Encoding.UTF8.GetString(info.GetFingerprint()), Is.EqualTo(NarInfoSamples.CurlFingerprint));
        Assert.That(PublicKey.Parse(NarInfoSamples.OfficialKey).Verify(info.GetFingerprint(), info.Signatures[0]), Is.True);
    }

    [Test]
    public void ToNarInfo_SignatureThatCannotBeWritten_IsLeftOut()
    {
        RawMessage message = new();
        message.NarInfo!.Signatures = [[.. Field(1, Utf8("a\nURL: evil")), .. Field(2, new byte[64])], Signature(64)];
        PathInfo info = PathInfo.Decode(message.ToBytes());

        NarInfo narInfo = info.ToNarInfo("x");

        Assert.That(info.Signatures.Select(s => s.HasValidName), Is.EqualTo(new[] { false, true }));
        Assert.That(PathInfo.Decode(info.Encode()), Is.EqualTo(info));
        Assert.That(narInfo.Signatures, Is.EqualTo(new[] { info.Signatures[1] }));
        Assert.That(
            () => new NarInfo { StorePath = info.StorePath, Url = "x", NarHash = default, NarSize = 0, Signatures = info.Signatures },
            Throws.ArgumentException);
    }

    [Test]
    public void WithSignature_Another_ComesLast()
    {
        NarSignature signature = new("third", new byte[64]);

        PathInfo signed = SamplePathInfos.Full.WithSignature(signature);

        Assert.That(signed.Signatures, Is.EqualTo((NarSignature[])[.. SamplePathInfos.Full.Signatures, signature]));
        Assert.That(SamplePathInfos.Full.Signatures, Has.Count.EqualTo(2));
        Assert.That(signed, Is.Not.EqualTo(SamplePathInfos.Full));
    }

    [Test]
    public void Equals_AnyFieldOther_IsFalse()
    {
        PathInfo full = SamplePathInfos.Full;
        PathInfo[] others =
        [
            full with { StorePath = new StorePath(full.StorePath.Digest, "x") },
            full with { Node = new Node.File(B3Digest.Empty, 0, Executable: false) },
            full with { NarSize = 1 },
            full with { NarHash = default },
            full with { References = [.. full.References.Reverse()] },
            full with { Signatures = [] },
            full with { Deriver = null },
            full with { ContentAddress = null },
        ];

        foreach (PathInfo other in others)
        {
            Assert.That(other, Is.Not.EqualTo(full));
            Assert.That(PathInfo.Decode(other.Encode()), Is.EqualTo(other));
        }

        PathInfo same = full with { References = [.. full.References], Signatures = [.. full.Signatures] };
        Assert.That(same, Is.EqualTo(full));
        Assert.That(same.GetHashCode(), Is.EqualTo(full.GetHashCode()));
    }

    [Test]
    public void Init_ListChangedLater_StaysAsItWas()
    {
        List<StorePath> references = [new(default, "a")];
        PathInfo info = SamplePathInfos.Minimal with { References = references };

        references.Clear();

        Assert.That(info.References, Has.Count.EqualTo(1));
        Assert.That(() => info with { References = [null!] }, Throws.ArgumentException);
        Assert.That(() => info with { Node = null! }, Throws.ArgumentNullException);
    }

    private static TestCaseData Bad(
        string name,
        PathInfoError error,
        Action<RawMessage> change,
        int? index = null,
        int? found = null,
        int? expected = null,
        StorePathError path = StorePathError.None) =>
        new TestCaseData(error, index, found, expected, path, change).SetArgDisplayNames(name);

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Ones(int length) => [.. Enumerable.Repeat((byte)0xff, length)];

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static string Hex(string text) => Hex(Utf8(text));

    private static byte[] Field(int field, byte[] body) => [(byte)((field << 3) | 2), (byte)body.Length, .. body];

    private static byte[] Signature(int length) => [.. Field(1, Utf8("key")), .. Field(2, new byte[length])];

    private static byte[] DirectoryNode(string name) => Field(1, [.. Field(1, Utf8(name)), .. Field(2, Zeros32)]);

    /// <summary>A message in pieces, to break one of them. Unchanged, it is that of <see cref="SamplePathInfos.Zeros"/>.</summary>
    public sealed class RawMessage
    {
        public byte[]? Node { get; set; } = DirectoryNode(DummyName);

        public byte[][] References { get; set; } = [Zeros20];

        public RawNarInfo? NarInfo { get; set; } = new();

        public byte[] Extra { get; set; } = [];

        public byte[] ToBytes()
        {
            List<byte> bytes = [];
            if (Node is not null)
            {
                bytes.AddRange(Field(1, Node));
            }

            foreach (byte[] reference in References)
            {
                bytes.AddRange(Field(2, reference));
            }

            if (NarInfo is not null)
            {
                // The only piece that may be longer than 127 bytes.
                byte[] body = NarInfo.ToBytes();
                byte[] length = body.Length < 128 ? [(byte)body.Length] : [(byte)(body.Length | 0x80), (byte)(body.Length >> 7)];
                bytes.AddRange([0x1a, .. length, .. body]);
            }

            return [.. bytes, .. Extra];
        }
    }

    /// <summary>The inner message in pieces.</summary>
    public sealed class RawNarInfo
    {
        public byte[]? NarHash { get; set; } = Zeros32;

        public byte[][] Signatures { get; set; } = [];

        public byte[][] ReferenceNames { get; set; } = [Utf8(DummyName)];

        public byte[]? Deriver { get; set; }

        public byte[]? ContentAddress { get; set; } = Field(2, Zeros32);

        public byte[] Extra { get; set; } = [];

        public byte[] ToBytes() =>
        [
            .. NarHash is null ? [] : Field(2, NarHash),
            .. Signatures.SelectMany(signature => Field(3, signature)),
            .. ReferenceNames.SelectMany(name => Field(4, name)),
            .. Deriver is null ? [] : Field(5, Deriver),
            .. ContentAddress is null ? [] : Field(6, ContentAddress),
            .. Extra,
        ];
    }
}
