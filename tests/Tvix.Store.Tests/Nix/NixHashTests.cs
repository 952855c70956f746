using System.Text;
using NUnit.Framework;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.Nix;

[TestFixture]
public sealed class NixHashTests
{
    private const string AbcHex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    private const string AbcBase32 = "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s";
    private const string AbcBase64 = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

    public static IEnumerable<TestCaseData> Vectors =>
    [
        new(
            NixHashAlgorithm.Sha1,
            "6016777997c30ab02413cf5095622cd7924283ac",
            "mj1l54np5ii9al6g2cjb02n3jxwpf5k0",
            "YBZ3eZfDCrAkE89QlWIs15JCg6w="),
        new(
            NixHashAlgorithm.Sha256,
            "a5ce9c155ed09397614646c9717fc7cd94b1023d7b76b618d409e4fefd6e9d39",
            "0fcxdvyzxr09shcbcxkv7l1b356dqxzp3ja68rhrg4yhbqarrkm5",
            "pc6cFV7Qk5dhRkbJcX/HzZSxAj17drYY1Ank/v1unTk="),
        new(NixHashAlgorithm.Md5, "c4874a8897440b393d862d8fd459073f", "1z0xcx93rdhqykj2s4jy44m1y4", "xIdKiJdECzk9hi2P1FkHPw=="),
        new(NixHashAlgorithm.Sha256, AbcHex, AbcBase32, AbcBase64),
        new(
            NixHashAlgorithm.Sha256,
            "08813cbee9903c62be4c5027726a418a300da4500b2d369d3af9286f4815ceba",
            "1fnf2m46ya7r7afkcb8ba2j0sc4a85m749sh9jz64g4hx6z3r088",
            "CIE8vumQPGK+TFAncmpBijANpFALLTadOvkob0gVzro="),
    ];

    [TestCaseSource(nameof(Vectors))]
    public void Parse_AllSpellings_GiveTheSameHash(NixHashAlgorithm algorithm, string hex, string base32, string base64)
    {
        NixHash expected = new(algorithm, Convert.FromHexString(hex));
        string name = NixHash.GetName(algorithm);

        foreach (string bare in new[] { hex, base32, base64 })
        {
            Assert.That(NixHash.Parse(bare, algorithm), Is.EqualTo(expected), bare);
            Assert.That(NixHash.Parse($"{name}:{bare}"), Is.EqualTo(expected), bare);
            Assert.That(NixHash.Parse($"{name}:{bare}", algorithm), Is.EqualTo(expected), bare);
        }

        Assert.That(NixHash.Parse($"{name}-{base64}"), Is.EqualTo(expected));
        Assert.That(NixHash.ParseSri($"{name}-{base64}"), Is.EqualTo(expected));
    }

    [TestCaseSource(nameof(Vectors))]
    public void ToString_AllForms_AreTheKnownOnes(NixHashAlgorithm algorithm, string hex, string base32, string base64)
    {
        NixHash hash = new(algorithm, Convert.FromHexString(hex));
        string name = NixHash.GetName(algorithm);

        Assert.That(hash.ToBareHexString(), Is.EqualTo(hex));
        Assert.That(hash.ToBareNixBase32String(), Is.EqualTo(base32));
        Assert.That(hash.ToBareBase64String(), Is.EqualTo(base64));
        Assert.That(hash.ToHexString(), Is.EqualTo($"{name}:{hex}"));
        Assert.That(hash.ToNixBase32String(), Is.EqualTo($"{name}:{base32}"));
        Assert.That(hash.ToSriString(), Is.EqualTo($"{name}-{base64}"));
        Assert.That(hash.ToString(), Is.EqualTo($"{name}:{base32}"));
    }

    [TestCase("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0", TestName = "Parse_SriWithoutPadding_IsAccepted")]
    [TestCase("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0==", TestName = "Parse_SriWithTooMuchPadding_IsAccepted")]
    [TestCase("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0= foo", TestName = "Parse_SriWithMoreBehind_IsAccepted")]
    [TestCase("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa1=", TestName = "Parse_SriWithSpareBits_IsAccepted")]
    [TestCase("sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", TestName = "Parse_ColonFormWithBase64_IsAccepted")]
    public void Parse_Lenient(string text) => Assert.That(NixHash.Parse(text).ToBareHexString(), Is.EqualTo(AbcHex));

    [TestCase("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0", NixHashAlgorithm.Sha256, NixHashError.InvalidDigestLength)]
    [TestCase("sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0", null, NixHashError.InvalidDigestLength)]
    [TestCase("zzzm03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s", NixHashAlgorithm.Sha256, NixHashError.InvalidBase32Encoding)]
    [TestCase("sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s", NixHashAlgorithm.Sha512, NixHashError.ConflictingAlgorithms)]
    [TestCase("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", NixHashAlgorithm.Sha512, NixHashError.ConflictingAlgorithms)]
    [TestCase(AbcHex, null, NixHashError.MissingInlineAlgorithm)]
    [TestCase("", null, NixHashError.MissingInlineAlgorithm)]
    [TestCase("sha384:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", null, NixHashError.MissingInlineAlgorithm)]
    [TestCase("SHA256:" + AbcHex, null, NixHashError.MissingInlineAlgorithm)]
    [TestCase("sha256-pc6cFV7Qk5dhRkbJcX/HzZSxAj17drYY1Ank", null, NixHashError.InvalidDigestLength)]
    [TestCase("sha256-" + AbcHex, null, NixHashError.InvalidDigestLength)] // 44 symbols of it are one byte too many
    [TestCase("sha256-" + AbcBase32, null, NixHashError.InvalidDigestLength)]
    [TestCase("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qc=BD/YfIAFa0=", null, NixHashError.InvalidBase64Encoding)]
    [TestCase("sha256-ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=", null, NixHashError.InvalidBase64Encoding)]
    [TestCase("sha256-============================================", null, NixHashError.InvalidDigestLength)]
    [TestCase("sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa1=", null, NixHashError.InvalidBase64Encoding)] // spare bits
    [TestCase("sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=", null, NixHashError.InvalidBase64Encoding)] // another alphabet
    [TestCase("sha256:ungWv48Bz pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", null, NixHashError.InvalidBase64Encoding)]
    [TestCase("sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa00", null, NixHashError.InvalidBase64Encoding)] // no padding
    [TestCase("sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", null, NixHashError.InvalidBase16Encoding)]
    [TestCase("sha256:", null, NixHashError.InvalidDigestLength)]
    public void TryParse_Malformed_TellsWhat(string text, NixHashAlgorithm? wanted, NixHashError expected)
    {
        Assert.That(NixHash.TryParse(Encoding.UTF8.GetBytes(text), wanted, out NixHash? hash, out NixHashError error), Is.False);
        Assert.That(hash, Is.Null);
        Assert.That(error, Is.EqualTo(expected));
        Assert.That(() => NixHash.Parse(text, wanted), Throws.TypeOf<FormatException>());
    }

    [TestCase("sha256", NixHashError.InvalidSri)]
    [TestCase("sha384-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", NixHashError.InvalidAlgorithm)]
    [TestCase("-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", NixHashError.InvalidAlgorithm)]
    [TestCase("SHA256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", NixHashError.InvalidAlgorithm)]
    public void TryParseSri_Malformed_TellsWhat(string text, NixHashError expected)
    {
        Assert.That(NixHash.TryParseSri(Encoding.UTF8.GetBytes(text), out _, out NixHashError error), Is.False);
        Assert.That(error, Is.EqualTo(expected));
        Assert.That(() => NixHash.ParseSri(text), Throws.TypeOf<FormatException>());
    }

    [Test]
    public void Parse_SameLengthInTwoAlgorithms_IsDecidedByTheAlgorithm()
    {
        const string Text = "00bgd045b0d4acfbc2aaa4afc48ac44a"; // 32 characters: MD5 in hex, SHA-1 in nixbase32

        Assert.That(NixHash.Parse(Text, NixHashAlgorithm.Sha1).Digest.Length, Is.EqualTo(20));
        Assert.That(() => NixHash.Parse(Text, NixHashAlgorithm.Md5), Throws.TypeOf<FormatException>());
        Assert.That(NixHash.Parse("00bad045b0d4acfbc2aaa4afc48ac44a", NixHashAlgorithm.Md5).Digest.Length, Is.EqualTo(16));
    }

    [TestCase(NixHashAlgorithm.Md5, "900150983cd24fb0d6963f7d28e17f72")]
    [TestCase(NixHashAlgorithm.Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d")]
    [TestCase(NixHashAlgorithm.Sha256, AbcHex)]
    [TestCase(
        NixHashAlgorithm.Sha512,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")]
    public void Compute_OfAbc_IsTheKnownDigest(NixHashAlgorithm algorithm, string hex) =>
        Assert.That(NixHash.Compute(algorithm, "abc"u8).ToBareHexString(), Is.EqualTo(hex));

    [Test]
    public void Constructor_WrongLength_Throws([Values] NixHashAlgorithm algorithm) =>
        Assert.That(() => new NixHash(algorithm, new byte[NixHash.GetSize(algorithm) + 1]), Throws.ArgumentException);

    [Test]
    public void Equals_OtherAlgorithmOrBytes_IsFalse()
    {
        NixHash zeros = new(NixHashAlgorithm.Sha256, new byte[32]);
        NixHash others = NixHash.Compute(NixHashAlgorithm.Sha256, []);

        Assert.That(zeros, Is.EqualTo(new NixHash(NixHashAlgorithm.Sha256, new byte[32])));
        Assert.That(zeros == others, Is.False);
        Assert.That(zeros != new NixHash(NixHashAlgorithm.Sha1, new byte[20]), Is.True);
        Assert.That(zeros.GetHashCode(), Is.EqualTo(new NixHash(NixHashAlgorithm.Sha256, new byte[32]).GetHashCode()));
    }

    [Test]
    public void Sha256Digest_AllForms_AreTheKnownOnes()
    {
        Sha256Digest digest = Sha256Digest.Compute("abc"u8);

        Assert.That(digest.ToHexString(), Is.EqualTo(AbcHex));
        Assert.That(digest.ToNixBase32String(), Is.EqualTo(AbcBase32));
        Assert.That(digest.ToString(), Is.EqualTo("sha256:" + AbcBase32));
        Assert.That(digest.ToNixHash(), Is.EqualTo(NixHash.Parse("sha256:" + AbcHex)));
        Assert.That(Sha256Digest.ParseHex(AbcHex), Is.EqualTo(digest));
        Assert.That(Sha256Digest.ParseNixBase32(AbcBase32), Is.EqualTo(digest));
        Assert.That(new Sha256Digest(digest.ToByteArray()), Is.EqualTo(digest));
    }

    [Test]
    public void Sha256Digest_Malformed_Throws()
    {
        Assert.That(() => Sha256Digest.ParseHex(AbcHex.ToUpperInvariant()), Throws.TypeOf<FormatException>());
        Assert.That(() => Sha256Digest.ParseHex(AbcHex.AsSpan(1)), Throws.TypeOf<FormatException>());
        Assert.That(() => Sha256Digest.ParseNixBase32("00"), Throws.TypeOf<FormatException>());
        Assert.That(Sha256Digest.TryParseNixBase32("z" + AbcBase32[1..], out _), Is.False);
        Assert.That(() => new Sha256Digest(new byte[31]), Throws.ArgumentException);
        Assert.That(() => default(Sha256Digest).CopyTo(new byte[31]), Throws.ArgumentException);
    }
}
