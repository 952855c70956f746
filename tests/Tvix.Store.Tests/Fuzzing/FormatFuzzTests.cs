using System.Text;
using NUnit.Framework;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.NarInfos;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Tests.Fuzzing;

/// <summary>Whatever the bytes are, a parser gives a value that survives writing and reading, or an exception that is documented.</summary>
[TestFixture]
public sealed class FormatFuzzTests
{
    [Test]
    public void NarInfo_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8(NarInfoSamples.Curl, NarInfoSamples.Gcc, NarInfoSamples.Text, NarInfoSamples.Main),
        Utf8(
            "StorePath: ",
            "URL: ",
            "References: ",
            "Deriver: unknown-deriver\n",
            "Sig: ",
            "CA: fixed:r:",
            "\n",
            "\r\n",
            ": ",
            ".drv",
            "+",
            "sha256:",
            "System: x\n"),
        input =>
        {
            NarInfo info;
            try
            {
                info = NarInfo.Parse(input);
            }
            catch (NarInfoFormatException)
            {
                return false;
            }

            // What was not understood is gone after one round; a carriage return at the end of a value is lost with the line end.
            string text = info.ToText();
            Assert.That(text, input.Contains((byte)'\r') ? Is.Not.Empty : Is.EqualTo(NarInfo.Parse(text).ToText()));
            Assert.That(info.GetFingerprint(), Is.Not.Empty);
            return true;
        });

    [Test]
    public void PathInfo_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        SamplePathInfos.All.Select(sample => sample.Encode()),
        [
            [0x0a, 0], [0x12, 20], [0x1a, 0], [0x22, 0], [0x2a, 0], [0x32, 2, 8, 1], [0x0b], [0x0c],
            .. Utf8("00000000000000000000000000000000-dummy"),
        ],
        input =>
        {
            PathInfo info;
            try
            {
                info = PathInfo.Decode(input);
            }
            catch (InvalidPathInfoException)
            {
                return false;
            }

            byte[] canonical = info.Encode();
            Assert.That(PathInfo.Decode(canonical), Is.EqualTo(info));
            Assert.That(NarInfo.Parse(info.ToNarInfo("x").ToUtf8()).NarHash, Is.EqualTo(info.NarHash));
            return true;
        });

    [Test]
    public void NarSignature_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8(
            NarInfo.Parse(NarInfoSamples.Curl).Signatures[0].ToString(),
            NarInfo.Parse(NarInfoSamples.Main).Signatures[0].ToString()),
        Utf8(":", "=", "==", "é", "\u2028"),
        input => NarSignature.TryParse(input, out NarSignature? signature, out NarKeyError error)
            ? Same(signature.ToString().ToUtf8(), input) & signature.HasValidName
            : Refused(error != NarKeyError.None));

    [Test]
    public void PublicKey_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8(NarInfoSamples.OfficialKey, NarInfoSamples.TestKey),
        Utf8(":", "=", "é"),
        input => PublicKey.TryParse(input, out PublicKey? key, out NarKeyError error)
            ? Same(key.ToString().ToUtf8(), input)
            : Refused(error != NarKeyError.None),
        slowness: 10);

    [Test]
    public void SigningKey_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8(NarInfoSamples.TestSecret),
        Utf8(":", "=", "é"),
        input => SigningKey.TryParse(input, out SigningKey? key, out NarKeyError error)
            ? Same(key.ToSecretString().ToUtf8(), input)
            : Refused(error != NarKeyError.None),
        slowness: 10);

    [Test]
    public void StorePath_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8(
            "/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60/bin/arp",
            "/nix/store/xi429w4ddvb1r77978hm7jfb2jsn559r-gcc-3.4.6",
            "00bgd045z0d4icpbc2yyz4gx48ak44la-x"),
        Utf8("/", "//", "/./", "/../", "-", "/nix/store"),
        input =>
        {
            bool absolute = StorePath.TryParseAbsolute(input, out StorePath? path, out StorePathError error);
            Assert.That(error == StorePathError.None, Is.EqualTo(absolute));
            if (absolute)
            {
                Same(path!.ToAbsolutePath().ToUtf8(), input);
            }

            bool baseName = StorePath.TryParseBaseName(input, out path, out error);
            Assert.That(error == StorePathError.None, Is.EqualTo(baseName));
            if (baseName)
            {
                Same(path!.ToString().ToUtf8(), input);
            }

            bool within = StorePath.TryParseAbsoluteWithSubPath(input, out path, out byte[] subPath, out error);
            Assert.That(error == StorePathError.None, Is.EqualTo(within));
            Assert.That(within || !absolute);
            if (within)
            {
                byte[] normal = [.. path!.ToAbsolutePath().ToUtf8(), (byte)'/', .. subPath];
                Assert.That(StorePath.TryParseAbsoluteWithSubPath(normal, out StorePath? again, out byte[] rest, out _));
                Assert.That(again == path && rest.AsSpan().SequenceEqual(subPath));
            }

            // The messages must not trip over anything either.
            string text = Encoding.UTF8.GetString(input);
            Throws(() => StorePath.ParseBaseName(text), baseName);
            Throws(() => StorePath.ParseAbsolute(text), absolute);
            Throws(() => StorePath.ParseAbsoluteWithSubPath(text, out _), within);
            return within;
        },
        slowness: 4);

    [Test]
    public void NixHash_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8(
            "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
            "sha1:6016777997c30ab02413cf5095622cd7924283ac",
            "md5:xIdKiJdECzk9hi2P1FkHPw==",
            "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"),
        Utf8("sha256:", "sha512-", "md5:", "=", "==", "-", ":"),
        input =>
        {
            bool parsed = NixHash.TryParse(input, NixHashAlgorithm.Sha256, out NixHash? hash, out NixHashError error);
            Assert.That(error == NixHashError.None, Is.EqualTo(parsed));
            if (parsed)
            {
                foreach (string form in new[] { hash!.ToString(), hash.ToHexString(), hash.ToSriString() })
                {
                    Assert.That(NixHash.Parse(form) == hash);
                }
            }

            bool sri = NixHash.TryParseSri(input, out NixHash? other, out error);
            Assert.That(error == NixHashError.None, Is.EqualTo(sri));
            Assert.That(!sri || NixHash.ParseSri(other!.ToSriString()) == other);
            return parsed;
        });

    [Test]
    public void NixBase32_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8("3pvxbfy", "0z", "0c5b8vw40dy178xlpddw65q9gf1h2186jcc3p4swinwggbllv8mk"),
        Utf8("e", "z", "0"),
        input =>
        {
            byte[] bytes = new byte[NixBase32.GetDecodedLength(input.Length)];
            NixBase32Error error = NixBase32.TryDecode(input, bytes, out int position);
            Assert.That(position, Is.InRange(0, input.Length));
            return error == NixBase32Error.None && Same(NixBase32.Encode(bytes).ToUtf8(), input);
        });

    [Test]
    public void ContentAddress_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8("fixed:r:sha1:1ak1ymbmsfx7z8kh09jzkr3a4dvkrfjw", "text:sha256:1fcgpy7vc4ammr7s17j2xq88scswkgz23dqzc04g8sx5vcp2pppw"),
        Utf8("fixed:", "r:", "text:", "md5:", ":"),
        input => ContentAddress.TryParse(input, out ContentAddress? address) && Same(address.ToString().ToUtf8(), input));

    [Test]
    public void NixCacheInfo_DamagedInput_IsReadOrRefused() => FuzzHarness.Run(
        Utf8("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 39\n"),
        Utf8("\n", ":", "Priority: ", "-", "\r"),
        input =>
        {
            try
            {
                NixCacheInfo info = NixCacheInfo.Parse(Encoding.UTF8.GetString(input));
                return NixCacheInfo.Parse(info.ToString()) == info;
            }
            catch (FormatException)
            {
                return false;
            }
        });

    private static byte[][] Utf8(params string[] texts) => [.. texts.Select(text => text.ToUtf8())];

    /// <summary>These formats have one spelling for each value.</summary>
    private static bool Same(byte[] written, byte[] read)
    {
        Assert.That(written.AsSpan().SequenceEqual(read), "What was read is written in another way.");
        return true;
    }

    private static bool Refused(bool withReason)
    {
        Assert.That(withReason, "Refused without a reason.");
        return false;
    }

    private static void Throws(Action parse, bool accepted)
    {
        try
        {
            parse();
        }
        catch (FormatException)
        {
            Assert.That(!accepted, "Refused as text, but not as bytes.");
        }
    }
}

internal static class FuzzText
{
    public static byte[] ToUtf8(this string text) => Encoding.UTF8.GetBytes(text);
}
