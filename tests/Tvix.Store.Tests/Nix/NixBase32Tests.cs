using System.Numerics;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.Nix;

[TestFixture]
public sealed class NixBase32Tests
{
    private const string Sha512OfAbc =
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    public static IEnumerable<TestCaseData> Vectors =>
    [
        new("", ""),
        new("1f", "0z"),
        new("00", "00"),
        new("deadbeef", "3pvxbfy"),
        new("8a12321522fd91efbd60ebb2481af88580f61600", "00bgd045z0d4icpbc2yyz4gx48ak44la"),
        new("b3a24de97a8fdbc835b9833169501030b8977031bcb54b3b3ac13740f846ab30", "0c5b8vw40dy178xlpddw65q9gf1h2186jcc3p4swinwggbllv8mk"),
        new("d41d8cd98f00b204e9800998ecf8427e", "3y8bwfr609h3lh9ch0izcqq7fl"),
        new("a9993e364706816aba3e25717850c26c9cd0d89d", "kpcd173cq987hw957sx6m0868wv3x6d9"),
        new(Sha512OfAbc, "2gs8k559z4rlahfx0y688s49m2vvszylcikrfinm30ly9rak69236nkam5ydvly1ai7xac99vxfc4ii84hawjbk876blyk1jfhkbbyx"),
    ];

    public static IEnumerable<TestCaseData> Malformed =>
    [
        new("zz", NixBase32Error.Trailing, 0),
        new("c0", NixBase32Error.Trailing, 0),
        new("0", NixBase32Error.Length, 0),
        new("0zz", NixBase32Error.Length, 2),
        new("0e", NixBase32Error.Symbol, 1),
        new("0Z", NixBase32Error.Symbol, 1),
        new("é0", NixBase32Error.Symbol, 0),
        new("ſz", NixBase32Error.Symbol, 0), // beyond ASCII
        new("ze", NixBase32Error.Symbol, 1), // both: the symbol is looked at first
        new("00bgd045z0d4icpbc2yyz4gx48aku4la", NixBase32Error.Symbol, 28),
    ];

    [TestCaseSource(nameof(Vectors))]
    public void Encode_Vector_GivesTheText(string hex, string text)
    {
        byte[] bytes = Convert.FromHexString(hex);

        Assert.That(NixBase32.Encode(bytes), Is.EqualTo(text));
        Assert.That(NixBase32.GetEncodedLength(bytes.Length), Is.EqualTo(text.Length));
        Assert.That(NixBase32.GetDecodedLength(text.Length), Is.EqualTo(bytes.Length));
    }

    [TestCaseSource(nameof(Vectors))]
    public void Decode_Vector_GivesTheBytes(string hex, string text) =>
        Assert.That(NixBase32.Decode(text), Is.EqualTo(Convert.FromHexString(hex)));

    [TestCaseSource(nameof(Malformed))]
    public void TryDecode_Malformed_TellsWhatAndWhere(string text, NixBase32Error error, int position)
    {
        byte[] destination = new byte[NixBase32.GetDecodedLength(text.Length)];

        Assert.That(NixBase32.TryDecode(text, destination, out int found), Is.EqualTo(error));
        Assert.That(found, Is.EqualTo(position));
        Assert.That(() => NixBase32.Decode(text), Throws.TypeOf<FormatException>().With.Message.Contains($"position {position}"));
    }

    [TestCase("00", 32, 2)]
    [TestCase("", 1, 0)]
    [TestCase("0000", 1, 2)]
    public void TryDecode_WrongLengthForDestination_IsALengthError(string text, int size, int position)
    {
        Assert.That(NixBase32.TryDecode(text, new byte[size], out int found), Is.EqualTo(NixBase32Error.Length));
        Assert.That(found, Is.EqualTo(position));
    }

    [TestCase(16, '7')]
    [TestCase(20, 'z')]
    [TestCase(32, '1')]
    [TestCase(64, '3')]
    public void TryDecode_FirstSymbol_MayBeUpTo(int size, char largest)
    {
        const string Alphabet = "0123456789abcdfghijklmnpqrsvwxyz";
        string rest = new('z', NixBase32.GetEncodedLength(size) - 1);
        foreach (char first in Alphabet)
        {
            NixBase32Error expected = first <= largest ? NixBase32Error.None : NixBase32Error.Trailing;

            Assert.That(NixBase32.TryDecode(first + rest, new byte[size], out _), Is.EqualTo(expected), $"first symbol {first}");
        }
    }

    [Test]
    public void Decode_EveryLength_IsPossibleOnlyWhereSomeBytesHaveIt([Range(0, 40)] int length)
    {
        string text = new('0', length);

        if (length % 8 is 0 or 2 or 4 or 5 or 7)
        {
            Assert.That(NixBase32.Encode(NixBase32.Decode(text)), Is.EqualTo(text));
        }
        else
        {
            Assert.That(() => NixBase32.Decode(text), Throws.TypeOf<FormatException>());
        }
    }

    [Test]
    public void TryEncode_DestinationTooShort_WritesNothing()
    {
        char[] chars = new char[6];
        byte[] ascii = new byte[6];

        Assert.That(NixBase32.TryEncode([0xde, 0xad, 0xbe, 0xef], chars, out int charsWritten), Is.False);
        Assert.That(NixBase32.TryEncode([0xde, 0xad, 0xbe, 0xef], ascii, out int bytesWritten), Is.False);
        Assert.That((charsWritten, bytesWritten), Is.EqualTo((0, 0)));
        Assert.That(chars, Is.All.EqualTo('\0'));
        Assert.That(ascii, Is.All.Zero);
    }

    [Test]
    public void TryEncode_DestinationLonger_WritesTheText()
    {
        char[] chars = new char[9];
        byte[] ascii = new byte[9];

        Assert.That(NixBase32.TryEncode([0xde, 0xad, 0xbe, 0xef], chars, out int charsWritten), Is.True);
        Assert.That(NixBase32.TryEncode([0xde, 0xad, 0xbe, 0xef], ascii, out int bytesWritten), Is.True);
        Assert.That(new string(chars, 0, charsWritten), Is.EqualTo("3pvxbfy"));
        Assert.That(ascii.AsSpan(0, bytesWritten).SequenceEqual("3pvxbfy"u8), Is.True);
    }

    [FsCheck.NUnit.Property(MaxTest = 500, Replay = "1234567,8901235")]
    public bool Decode_OfEncode_IsIdentity(byte[] bytes) => NixBase32.Decode(NixBase32.Encode(bytes)).AsSpan().SequenceEqual(bytes);

    [FsCheck.NUnit.Property(MaxTest = 500, Replay = "1234567,8901235")]
    public bool Encode_AnyBytes_IsTheLittleEndianNumberInBase32(byte[] bytes)
    {
        // The definition, slowly.
        BigInteger number = new(bytes, isUnsigned: true);
        char[] expected = new char[((bytes.Length * 8) + 4) / 5];
        for (int i = expected.Length - 1; i >= 0; i--, number >>= 5)
        {
            expected[i] = "0123456789abcdfghijklmnpqrsvwxyz"[(int)(number & 31)];
        }

        return NixBase32.Encode(bytes) == new string(expected);
    }
}
