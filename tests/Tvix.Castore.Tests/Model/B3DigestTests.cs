using System.Text;
using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Model;

[TestFixture]
[TestOf(typeof(B3Digest))]
public sealed class B3DigestTests
{
    private const string EmptyText = "blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=";
    private const string EmptyLegacyText = "b3:rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=";
    private const string EmptyHex = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    [TestCase("", EmptyHex)]
    [TestCase("Hello World!", "5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c")]
    [TestCase("Hello World", "41f8394111eb713a22165c46c90ab8f0fd9399c92028fd6d288944b23ff5bf76")]
    [TestCase("\0\u0001", "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63")]
    [TestCase("\u0002\u0003\u0004\u0005", "024a7fdb2a86c4eae9600a1cfbfd4487ddc15c0a8fa59abfebd6f92bd0031fe5")]
    public void ToHexString_OfKnownContent_IsTheKnownDigest(string content, string hex)
    {
        B3Digest digest = Blake3Hasher.HashData(Encoding.ASCII.GetBytes(content));
        Assert.That(digest.ToHexString(), Is.EqualTo(hex));
        Assert.That(B3Digest.ParseHex(hex), Is.EqualTo(digest));
        Assert.That(B3Digest.ParseHex(hex.ToUpperInvariant()), Is.EqualTo(digest));
    }

    [Test]
    public void Text_OfTheEmptyDigest_IsTheKnownOne()
    {
        Assert.That(B3Digest.Empty.ToString(), Is.EqualTo(EmptyText));
        Assert.That($"{B3Digest.Empty}", Is.EqualTo(EmptyText));
        Assert.That(B3Digest.Parse(EmptyText), Is.EqualTo(B3Digest.Empty));
        Assert.That(B3Digest.Parse(EmptyLegacyText), Is.EqualTo(B3Digest.Empty));
        Assert.That(B3Digest.Parse(EmptyText.AsSpan()), Is.EqualTo(B3Digest.Empty));
    }

    [TestCase("")]
    [TestCase("blake3-")]
    [TestCase("b3:")]
    [TestCase("rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=", Description = "no prefix")]
    [TestCase("BLAKE3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=")]
    [TestCase("sha256-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=")]
    [TestCase("blake3-b3:rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=")]
    [TestCase("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI", Description = "no padding")]
    [TestCase("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMg==", Description = "31 bytes")]
    [TestCase("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmJi", Description = "33 bytes")]
    [TestCase("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmJ=", Description = "spare bits set")]
    [TestCase("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfM I=", Description = "white space")]
    [TestCase("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI= ", Description = "white space behind")]
    [TestCase("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfM-I=", Description = "other alphabet")]
    [TestCase("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfM\u0142I=", Description = "not ASCII")]
    public void Parse_SomethingElse_Throws(string text)
    {
        Assert.That(B3Digest.TryParse(text, out B3Digest digest), Is.False);
        Assert.That(digest, Is.EqualTo(default(B3Digest)));
        Assert.That(() => B3Digest.Parse(text), Throws.InstanceOf<FormatException>());
    }

    [Test]
    public void Parse_Null_Throws() => Assert.That(() => B3Digest.Parse(null!), Throws.ArgumentNullException);

    [TestCase("")]
    [TestCase("af13")]
    [TestCase(EmptyHex + "00")]
    [TestCase("xf1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")]
    public void ParseHex_SomethingElse_Throws(string hex) =>
        Assert.That(() => B3Digest.ParseHex(hex), Throws.InstanceOf<FormatException>());

    [TestCase(0)]
    [TestCase(31)]
    [TestCase(33)]
    public void Constructor_AnotherLength_Throws(int length) => Assert.That(() => new B3Digest(new byte[length]), Throws.ArgumentException);

    [Test]
    public void CopyTo_TooShort_Throws() => Assert.That(() => B3Digest.Empty.CopyTo(new byte[31]), Throws.ArgumentException);

    [Test]
    public void TryFormat_TooShort_WritesNothing()
    {
        ISpanFormattable digest = B3Digest.Empty;
        Assert.That(digest.TryFormat(new char[EmptyText.Length - 1], out int written, default, null), Is.False);
        Assert.That(written, Is.Zero);
        Assert.That(digest.TryFormat(new char[EmptyText.Length], out written, default, null), Is.True);
        Assert.That(written, Is.EqualTo(EmptyText.Length));
    }

    [Test]
    public void Default_IsTheDigestOfZeroBytes() => Assert.That(default(B3Digest).ToByteArray(), Is.EqualTo(new byte[32]));

    [FsCheck.NUnit.Property(Arbitrary = [typeof(ModelGenerators)], Replay = ModelGenerators.Replay)]
    public bool Parse_OfText_IsIdentity(B3Digest digest) =>
        B3Digest.Parse(digest.ToString()) == digest
        && B3Digest.Parse("b3:" + digest.ToString()["blake3-".Length..]) == digest
        && B3Digest.ParseHex(digest.ToHexString()) == digest
        && new B3Digest(digest.ToByteArray()) == digest;

    [FsCheck.NUnit.Property(Arbitrary = [typeof(ModelGenerators)], Replay = ModelGenerators.Replay, MaxTest = 500)]
    public bool CompareTo_IsTheOrderOfTheBytes(B3Digest left, B3Digest right, byte at)
    {
        // Two random digests differ in the first byte; change one byte to compare further behind as well.
        byte[] changed = left.ToByteArray();
        changed[at % B3Digest.Size]++;
        B3Digest near = new(changed);
        return Agree(left, right) && Agree(left, near) && Agree(near, left) && left.CompareTo(left) == 0;

        static bool Agree(B3Digest a, B3Digest b) =>
            Math.Sign(a.CompareTo(b)) == Math.Sign(a.ToByteArray().AsSpan().SequenceCompareTo(b.ToByteArray()))
            && (a == b) == (a.CompareTo(b) == 0);
    }
}
