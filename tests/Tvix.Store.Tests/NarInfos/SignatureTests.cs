using System.Numerics;
using System.Text;
using NUnit.Framework;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.NarInfos;

[TestFixture]
public sealed class SignatureTests
{
    private static readonly BigInteger Prime = BigInteger.Pow(2, 255) - 19;
    private static readonly BigInteger GroupOrder = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493");

    public static IEnumerable<TestCaseData> MalformedSignatures =>
    [
        new("test", NarKeyError.MissingSeparator),
        new("", NarKeyError.MissingSeparator),
        new(":" + Base64(64), NarKeyError.InvalidName),
        new("test :" + Base64(64), NarKeyError.InvalidName),
        new("test\n:" + Base64(64), NarKeyError.InvalidName),
        new("te\u00a0st:" + Base64(64), NarKeyError.InvalidName),
        new("te\u0001st:" + Base64(64), NarKeyError.InvalidName),
        new("test:" + Base64(64)[..80], NarKeyError.InvalidLength),
        new("test:", NarKeyError.InvalidLength),
        new("test:" + Base64(64) + "\n", NarKeyError.InvalidLength),
        new("test::" + Base64(64)[1..], NarKeyError.InvalidEncoding),
        new("test:" + Base64(64)[..87] + "A", NarKeyError.InvalidEncoding),
        new("test:" + Base64(64)[..85] + "B==", NarKeyError.InvalidEncoding), // spare bits
        new("test:-" + Base64(64)[1..], NarKeyError.InvalidEncoding),
    ];

    public static IEnumerable<byte[]> SmallOrderPoints => new[]
    {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    }.Select(Convert.FromHexString);

    [TestCase(NarInfoSamples.Curl, NarInfoSamples.OfficialKey, 0, TestName = "Verify_CurlWithTheOfficialKey_Succeeds")]
    [TestCase(NarInfoSamples.Curl, NarInfoSamples.SecondKeyOfCurl, 1, TestName = "Verify_CurlWithTheSecondKey_Succeeds")]
    [TestCase(NarInfoSamples.Gcc, NarInfoSamples.OfficialKey, 0, TestName = "Verify_GccInRecordOrder_Succeeds")]
    [TestCase(NarInfoSamples.Text, NarInfoSamples.TestKey, 0, TestName = "Verify_Text_Succeeds")]
    [TestCase(NarInfoSamples.Main, NarInfoSamples.TestKey, 0, TestName = "Verify_Main_Succeeds")]
    public void Verify_Record(string text, string key, int index)
    {
        NarInfo info = NarInfo.Parse(text);
        PublicKey publicKey = PublicKey.Parse(key);

        Assert.That(publicKey.Verify(info.GetFingerprint(), info.Signatures[index]), Is.True);
        Assert.That(publicKey.Verify(info.GetFingerprint(), info.Signatures[index].Bytes), Is.True);
    }

    [Test]
    public void Verify_GccInSortedOrder_Fails()
    {
        NarInfo info = NarInfo.Parse(NarInfoSamples.Gcc);
        byte[] sorted = NarFingerprint.Compute(info.StorePath, info.NarHash, info.NarSize, [.. info.References.Order()]);

        Assert.That(PublicKey.Parse(NarInfoSamples.OfficialKey).Verify(sorted, info.Signatures[0]), Is.False);
    }

    [Test]
    public void Verify_AnythingChanged_Fails()
    {
        NarInfo info = NarInfo.Parse(NarInfoSamples.Curl);
        PublicKey key = PublicKey.Parse(NarInfoSamples.OfficialKey);
        byte[] fingerprint = info.GetFingerprint();
        NarSignature signature = info.Signatures[0];

        for (int i = 0; i < NarSignature.Size; i++)
        {
            byte[] changed = signature.Bytes.ToArray();
            changed[i] ^= 1;
            Assert.That(key.Verify(fingerprint, changed), Is.False, $"byte {i}");
        }

        Assert.That(key.Verify(fingerprint.AsSpan(0, 5), signature), Is.False);
        Assert.That(key.Verify(fingerprint, new NarSignature("cache.nixos.org", signature.Bytes)), Is.False);
        Assert.That(new PublicKey("cache.nixos.org", key.Bytes).Verify(fingerprint, signature), Is.False);
        Assert.That(key.Verify(fingerprint, info.Signatures[1]), Is.False);
        Assert.That(key.Verify(fingerprint, signature.Bytes[1..]), Is.False);
    }

    [Test]
    public void Verify_ScalarPlusGroupOrder_Fails()
    {
        // The same equation holds, but the scalar is not the one spelling of itself.
        NarInfo info = NarInfo.Parse(NarInfoSamples.Curl);
        byte[] changed = info.Signatures[0].Bytes.ToArray();
        BigInteger scalar = new BigInteger(changed.AsSpan(32), isUnsigned: true) + GroupOrder;
        Assert.That(scalar.TryWriteBytes(changed.AsSpan(32), out _, isUnsigned: true), Is.True);

        Assert.That(PublicKey.Parse(NarInfoSamples.OfficialKey).Verify(info.GetFingerprint(), changed), Is.False);
    }

    [TestCaseSource(nameof(SmallOrderPoints))]
    public void Verify_KeyOfSmallOrder_Fails(byte[] point)
    {
        // With such a key, a signature of R = A's inverse times something and S = 0 would hold for one message in eight, whoever signed.
        PublicKey key = new("weak", point);
        foreach (byte[] r in SmallOrderPoints)
        {
            byte[] signature = [.. r, .. new byte[32]];
            for (int i = 0; i < 16; i++)
            {
                Assert.That(key.Verify([(byte)i], signature), Is.False);
            }
        }
    }

    [TestCaseSource(nameof(SmallOrderPoints))]
    public void Verify_SignatureWithPointOfSmallOrder_Fails(byte[] point)
    {
        Assert.That(Ed25519.HasSmallOrder(point), Is.True);
        Assert.That(PublicKey.Parse(NarInfoSamples.TestKey).Verify("x"u8, (byte[])[.. point, .. new byte[32]]), Is.False);
    }

    [TestCaseSource(nameof(SmallOrderPoints))]
    public void SmallOrderPoints_TimesEight_AreTheNeutralElement(byte[] point)
    {
        // -x² + y² = 1 + d x² y²; doubling three times must give (0, 1).
        BigInteger d = Mod(-121665 * Inverse(121666));
        byte[] bytes = [.. point];
        bytes[31] &= 0x7f;
        BigInteger y = new(bytes, isUnsigned: true);
        BigInteger x = Root(Mod((y * y - 1) * Inverse(Mod((d * y * y) + 1))));
        for (int i = 0; i < 3; i++)
        {
            BigInteger product = Mod(d * x * x % Prime * y * y);
            (x, y) = (Mod(2 * x * y * Inverse(Mod(1 + product))), Mod(((y * y) + (x * x)) * Inverse(Mod(1 - product))));
        }

        Assert.That((x, y), Is.EqualTo((BigInteger.Zero, BigInteger.One)));

        static BigInteger Root(BigInteger square)
        {
            BigInteger root = BigInteger.ModPow(square, (Prime + 3) / 8, Prime);
            return Mod(root * root) == square ? root : Mod(root * BigInteger.ModPow(2, (Prime - 1) / 4, Prime));
        }
    }

    [Test]
    public void HasSmallOrder_RealKey_IsFalse() =>
        Assert.That(Ed25519.HasSmallOrder(PublicKey.Parse(NarInfoSamples.OfficialKey).Bytes), Is.False);

    [Test]
    public void Ed25519_WithoutLibrary_NamesWhatIsMissing() => Assert.That(
        () => Ed25519.ThrowIfMissing(available: false), Throws.TypeOf<PlatformNotSupportedException>().With.Message.Contains("libcrypto"));

    [TestCase(NarInfoSamples.Text)]
    [TestCase(NarInfoSamples.Main)]
    public void Sign_Record_GivesTheKnownSignature(string text)
    {
        NarInfo info = NarInfo.Parse(text);

        Assert.That(SigningKey.Parse(NarInfoSamples.TestSecret).Sign(info.GetFingerprint()), Is.EqualTo(info.Signatures[0]));
    }

    [TestCase(
        "1;/nix/store/00000000000000000000000000000000-dummy;sha256:1wcwacrb5q36hpsx1shk0dkm26hwbmqmgi0nm973h9jqkdz3jz89;136;",
        "do.not.use:d/6grhFc7RIZK2FR1svFF8d3u22l2R1kU72Qs5zsqIOptthdueICLAc6sP51RPVmpiJruySSG6GHdeUeCHXuDQ==")]
    public void Sign_Fingerprint_GivesTheKnownSignature(string fingerprint, string signature)
    {
        SigningKey key = SigningKey.Parse(
            "do.not.use:sGPzxuK5WvWPraytx+6sjtaff866sYlfvErE6x0hFEhy5eqe7OVZ8ZMqZ/ME/HaRdKGNGvJkyGKXYTaeA6lR3A==");

        Assert.That(key.Sign(Encoding.ASCII.GetBytes(fingerprint)).ToString(), Is.EqualTo(signature));
        Assert.That(key.PublicKey.ToString(), Is.EqualTo("do.not.use:cuXqnuzlWfGTKmfzBPx2kXShjRryZMhil2E2ngOpUdw="));
    }

    [Test]
    public void SigningKey_Parse_GivesThePartsAndBack()
    {
        SigningKey key = SigningKey.Parse(NarInfoSamples.TestSecret);

        Assert.That(key.Name, Is.EqualTo("test-1"));
        Assert.That(key.PublicKey, Is.EqualTo(PublicKey.Parse(NarInfoSamples.TestKey)));
        Assert.That(key.PublicKey.ToString(), Is.EqualTo(NarInfoSamples.TestKey));
        Assert.That(
            Convert.ToHexStringLower(key.PublicKey.Bytes),
            Is.EqualTo("8087a550c94103cead7678e5360e2b8c9070bf5034e093805dc3ad5f3f0379e1"));
        Assert.That(key.ToSecretString(), Is.EqualTo(NarInfoSamples.TestSecret));
        Assert.That(key.ToString(), Does.Contain("test-1").And.Not.Contain("kjjY"), "The secret must not end up in a log.");
    }

    [Test]
    public void SigningKey_Generate_SignsWhatItsPublicKeyVerifies()
    {
        SigningKey key = SigningKey.Generate("my.cache_x-2");
        SigningKey other = SigningKey.Generate("my.cache_x-2");

        NarSignature signature = key.Sign("x"u8);

        Assert.That(key.PublicKey.Verify("x"u8, signature), Is.True);
        Assert.That(other.PublicKey.Verify("x"u8, signature), Is.False);
        Assert.That(SigningKey.Parse(key.ToSecretString()).Sign("x"u8), Is.EqualTo(signature));
        Assert.That(() => SigningKey.Generate("a b"), Throws.ArgumentException);
        Assert.That(() => SigningKey.Generate("a:b"), Throws.ArgumentException);
        Assert.That(() => SigningKey.Generate("a\ud800"), Throws.ArgumentException);
    }

    [Test]
    public async Task SigningKey_ReadFile_TrimsWhiteSpace()
    {
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(path, $" {NarInfoSamples.TestSecret}\n\n");
            Assert.That((await SigningKey.ReadFileAsync(path)).ToSecretString(), Is.EqualTo(NarInfoSamples.TestSecret));

            await File.WriteAllTextAsync(path, "secret:stuff");
            Assert.That(
                async () => await SigningKey.ReadFileAsync(path),
                Throws.TypeOf<FormatException>().With.Message.Contains(path).And.Message.Not.Contains("stuff"));
        }
        finally
        {
            File.Delete(path);
        }

        Assert.That(async () => await SigningKey.ReadFileAsync(path), Throws.InstanceOf<IOException>());
    }

    [TestCaseSource(nameof(MalformedSignatures))]
    public void NarSignature_Malformed_TellsWhat(string text, NarKeyError expected)
    {
        Assert.That(NarSignature.TryParse(Encoding.UTF8.GetBytes(text), out NarSignature? signature, out NarKeyError error), Is.False);
        Assert.That(signature, Is.Null);
        Assert.That(error, Is.EqualTo(expected));
        Assert.That(() => NarSignature.Parse(text), Throws.TypeOf<FormatException>());
    }

    [TestCase("test:" + "AAAA", NarKeyError.InvalidLength)]
    [TestCase("te st:gIelUMlBA86tdnjlNg4rjJBwv1A04JOAXcOtXz8DeeE=", NarKeyError.InvalidName)]
    [TestCase("test", NarKeyError.MissingSeparator)]
    [TestCase("test:gIelUMlBA86tdnjlNg4rjJBwv1A04JOAXcOtXz8DeeF=", NarKeyError.InvalidEncoding)]
    [TestCase("test:AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", NarKeyError.InvalidKey, Description = "y = 2 is not on the curve")]
    [TestCase("test:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=", NarKeyError.InvalidKey, Description = "x = 0 has no sign")]
    [TestCase("test:7v///////////////////////////////////////38=", NarKeyError.InvalidKey, Description = "y = p + 1 is not canonical")]
    public void PublicKey_Malformed_TellsWhat(string text, NarKeyError expected)
    {
        Assert.That(PublicKey.TryParse(Encoding.UTF8.GetBytes(text), out PublicKey? key, out NarKeyError error), Is.False);
        Assert.That(key, Is.Null);
        Assert.That(error, Is.EqualTo(expected));
        Assert.That(() => PublicKey.Parse(text), Throws.TypeOf<FormatException>());
    }

    [Test]
    public void PublicKey_Constructor_ChecksItsParts()
    {
        Assert.That(() => new PublicKey("x", new byte[31]), Throws.ArgumentException);
        Assert.That(() => new PublicKey("x", (byte[])[2, .. new byte[31]]), Throws.ArgumentException);
        Assert.That(() => new PublicKey("", PublicKey.Parse(NarInfoSamples.TestKey).Bytes), Throws.ArgumentException);
        Assert.That(PublicKey.Parse($"\n{NarInfoSamples.TestKey} "), Is.EqualTo(PublicKey.Parse(NarInfoSamples.TestKey)));
        Assert.That(PublicKey.Parse(NarInfoSamples.TestKey) != PublicKey.Parse(NarInfoSamples.OfficialKey), Is.True);
    }

    [Test]
    public void SigningKey_Malformed_TellsWhat()
    {
        byte[] secret = Convert.FromBase64String(NarInfoSamples.TestSecret["test-1:".Length..]);
        secret[63] ^= 1;
        (string Text, NarKeyError Error)[] cases =
        [
            ("test", NarKeyError.MissingSeparator),
            (NarInfoSamples.TestSecret["test-1".Length..], NarKeyError.InvalidName),
            (NarInfoSamples.TestKey, NarKeyError.InvalidLength),
            ("test:" + new string('!', 88), NarKeyError.InvalidEncoding),
            ("test:" + Convert.ToBase64String(secret), NarKeyError.InvalidKey),
        ];
        foreach ((string text, NarKeyError expected) in cases)
        {
            Assert.That(SigningKey.TryParse(Encoding.UTF8.GetBytes(text), out SigningKey? key, out NarKeyError error), Is.False);
            Assert.That(key, Is.Null);
            Assert.That(error, Is.EqualTo(expected));
            Assert.That(() => SigningKey.Parse(text), Throws.TypeOf<FormatException>());
        }
    }

    [TestCase("my.cache_x-2")]
    [TestCase("ключ-1")]
    [TestCase("a/b")]
    public void NarSignature_NameInUse_IsAccepted(string name)
    {
        NarSignature signature = NarSignature.Parse($"{name}:{Base64(64)}");

        Assert.That(signature.Name, Is.EqualTo(name));
        Assert.That(signature.ToString(), Is.EqualTo($"{name}:{Base64(64)}"));
        Assert.That(signature.HasValidName, Is.True);
    }

    [Test]
    public void NarSignature_Constructor_ChecksItsParts()
    {
        Assert.That(() => new NarSignature("x", new byte[63]), Throws.ArgumentException);
        Assert.That(() => new NarSignature("x y", new byte[64]), Throws.ArgumentException);
        Assert.That(new NarSignature("x", new byte[64]) == new NarSignature("x", new byte[64]), Is.True);
        Assert.That(new NarSignature("x", new byte[64]) != new NarSignature("y", new byte[64]), Is.True);
    }

    [Test]
    public void TrustedKeys_Accepts_WhatOneOfThemSigned()
    {
        NarInfo info = NarInfo.Parse(NarInfoSamples.Curl);
        byte[] fingerprint = info.GetFingerprint();

        Assert.That(Accepts(NarInfoSamples.OfficialKey), Is.True);
        Assert.That(Accepts($"{NarInfoSamples.TestKey} \n\t{NarInfoSamples.SecondKeyOfCurl} "), Is.True);
        Assert.That(Accepts(NarInfoSamples.TestKey), Is.False);
        Assert.That(Accepts(""), Is.False, "An empty list trusts nothing.");
        Assert.That(TrustedKeys.Parse(NarInfoSamples.OfficialKey).Accepts(fingerprint, []), Is.False);
        Assert.That(() => TrustedKeys.Parse("foo"), Throws.TypeOf<FormatException>().With.Message.Contains("foo"));

        bool Accepts(string keys) => TrustedKeys.Parse(keys).Accepts(fingerprint, info.Signatures);
    }

    private static string Base64(int size) => Convert.ToBase64String(new byte[size]);

    private static BigInteger Inverse(BigInteger value) => BigInteger.ModPow(value, Prime - 2, Prime);

    private static BigInteger Mod(BigInteger value) => ((value % Prime) + Prime) % Prime;
}
