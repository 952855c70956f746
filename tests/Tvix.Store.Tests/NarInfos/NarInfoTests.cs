using System.Text;
using NUnit.Framework;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.NarInfos;

[TestFixture]
public sealed class NarInfoTests
{
    private static readonly string NarHashHex =
        Sha256Digest.ParseNixBase32("071zb1j97mc9jly8wv7xwg1snj8n5f6iyk4h59ih7ab9if65yr8q").ToHexString();

    public static IEnumerable<TestCaseData> Records =>
    [
        new TestCaseData(NarInfoSamples.Curl).SetArgDisplayNames("curl"),
        new TestCaseData(NarInfoSamples.Gcc).SetArgDisplayNames("gcc"),
        new TestCaseData(NarInfoSamples.Text).SetArgDisplayNames("text"),
        new TestCaseData(NarInfoSamples.Main).SetArgDisplayNames("main"),
    ];

    public static IEnumerable<TestCaseData> Quirky =>
    [
        Case("UnknownKey", NarInfoQuirks.UnknownField, s => s + "Foo: bar\n"),
        Case("NoLastLineEnd", NarInfoQuirks.None, s => s.TrimEnd('\n')),
        Case("CarriageReturns", NarInfoQuirks.None, s => s.Replace("\n", "\r\n")),
        Case("CompressionMissing", NarInfoQuirks.CompressionMissing, s => s.Replace("Compression: none\n", "")),
        Case(
            "NarHashInHex",
            NarInfoQuirks.NarHashInHex,
            s => s.Replace("NarHash: sha256:071zb1j97mc9jly8wv7xwg1snj8n5f6iyk4h59ih7ab9if65yr8q", "NarHash: sha256:" + NarHashHex)),
        Case("UnknownDeriver", NarInfoQuirks.UnknownDeriver, s => Replace(s, "Deriver", "unknown-deriver")),
        Case("ReferencesMissing", NarInfoQuirks.ReferencesMissing, s => Without(s, "References")),
        Case(
            "ReferencesReversed",
            NarInfoQuirks.ReferencesOutOfOrder,
            s => Replace(s, "References", string.Join(' ', NarInfo.Parse(s).References.Reverse()))),
        Case(
            "ReferenceTwice",
            NarInfoQuirks.ReferencesOutOfOrder,
            s => Replace(s, "References", "7hdk8qb9nscfnjpv2h2fgsjia36908lr-dep.txt 7hdk8qb9nscfnjpv2h2fgsjia36908lr-dep.txt")),
        Case("LinesReversed", NarInfoQuirks.None, s => string.Join('\n', s.TrimEnd('\n').Split('\n').Reverse()) + "\n"),
        Case("SizeWithSignAndZeros", NarInfoQuirks.None, s => Replace(s, "NarSize", "+0000000000000000000000001216")),
    ];

    public static IEnumerable<TestCaseData> Malformed =>
    [
        Bad("BlankLineAtEnd", NarInfoError.InvalidLine, null, null, 9, s => s + "\n"),
        Bad("BlankLineInside", NarInfoError.InvalidLine, null, null, 3, s => s.Replace("Compression", "\nCompression")),
        Bad("NoBlankAfterColon", NarInfoError.InvalidLine, null, null, 5, s => s.Replace("NarSize: ", "NarSize:")),
        Bad("ReferencesWithoutBlank", NarInfoError.InvalidLine, null, null, 6, s => s.Replace("References: ", "References:")),
        Bad("NoColon", NarInfoError.InvalidLine, null, null, 9, s => s + "Foo"),
        Bad(
            "EmptyReferencesWithoutBlank",
            NarInfoError.InvalidLine,
            null,
            null,
            6,
            s => Replace(s, "References", "").Replace("References: ", "References:")),
        Bad("NotUtf8", NarInfoError.InvalidEncoding, null, null, null, s => s + "Foo: \uffff\n"),
        Bad("NarSizeTwice", NarInfoError.DuplicateField, "NarSize", null, 9, s => s + "NarSize: 1216\n"),
        Bad("UrlTwice", NarInfoError.DuplicateField, "URL", null, 9, s => s + "URL: x\n"),
        Bad("StorePathTwice", NarInfoError.DuplicateField, "StorePath", null, 2, s => s.Split('\n')[0] + "\n" + s),
        Bad("CompressionTwice", NarInfoError.DuplicateField, "Compression", null, 9, s => s + "Compression: xz\n"),
        Bad("NarHashTwice", NarInfoError.DuplicateField, "NarHash", null, 9, s => s + "NarHash: x\n"),
        Bad(
            "FileHashTwice",
            NarInfoError.DuplicateField,
            "FileHash",
            null,
            10,
            s => s + string.Concat(Enumerable.Repeat($"FileHash: sha256:{new string('0', 52)}\n", 2))),
        Bad("FileSizeTwice", NarInfoError.DuplicateField, "FileSize", null, 10, s => s + "FileSize: 1\nFileSize: 1\n"),
        Bad("ReferencesTwice", NarInfoError.DuplicateField, "References", null, 9, s => s + "References: \n"),
        Bad("DeriverTwice", NarInfoError.DuplicateField, "Deriver", null, 9, s => s + "Deriver: unknown-deriver\n"),
        Bad(
            "UnknownDeriverTwice",
            NarInfoError.DuplicateField,
            "Deriver",
            null,
            9,
            s => Replace(s, "Deriver", "unknown-deriver") + "Deriver: unknown-deriver\n"),
        Bad("SystemTwice", NarInfoError.DuplicateField, "System", null, 10, s => s + "System: a\nSystem: a\n"),
        Bad(
            "ContentAddressTwice",
            NarInfoError.DuplicateField,
            "CA",
            null,
            10,
            s => s + string.Concat(Enumerable.Repeat("CA: fixed:md5:7ja4nlylpnardy84vm98civd9p\n", 2))),
        Bad("NoStorePath", NarInfoError.MissingField, "StorePath", null, null, s => Without(s, "StorePath")),
        Bad("NoUrl", NarInfoError.MissingField, "URL", null, null, s => Without(s, "URL")),
        Bad("NoNarHash", NarInfoError.MissingField, "NarHash", null, null, s => Without(s, "NarHash")),
        Bad("NoNarSize", NarInfoError.MissingField, "NarSize", null, null, s => Without(s, "NarSize")),
        Bad("Nothing", NarInfoError.MissingField, "StorePath", null, null, _ => ""),
        Bad("EmptyUrl", NarInfoError.EmptyField, "URL", null, 2, s => Replace(s, "URL", "")),
        Bad("EmptyCompression", NarInfoError.EmptyField, "Compression", null, 3, s => Replace(s, "Compression", "")),
        Bad("EmptySystem", NarInfoError.EmptyField, "System", null, 9, s => s + "System: \n"),
        Bad("OtherStoreDirectory", NarInfoError.InvalidStorePath, "StorePath", null, 1, s => s.Replace("/nix/store/", "/gnu/store/")),
        Bad("StorePathIsBaseName", NarInfoError.InvalidStorePath, "StorePath", null, 1, s => s.Replace("/nix/store/", "")),
        Bad(
            "NarHashInSri",
            NarInfoError.MissingPrefixForHash,
            "NarHash",
            null,
            4,
            s => Replace(s, "NarHash", "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")),
        Bad(
            "NarHashOfSha1",
            NarInfoError.MissingPrefixForHash,
            "NarHash",
            null,
            4,
            s => Replace(s, "NarHash", "sha1:mj1l54np5ii9al6g2cjb02n3jxwpf5k0")),
        Bad("NarHashShort", NarInfoError.UnableToDecodeHash, "NarHash", null, 4, s => Replace(s, "NarHash", "sha256:00")),
        Bad(
            "NarHashInUpperHex",
            NarInfoError.UnableToDecodeHash,
            "NarHash",
            null,
            4,
            s => Replace(s, "NarHash", "sha256:" + NarHashHex.ToUpperInvariant())),
        Bad("FileHashInHex", NarInfoError.UnableToDecodeHash, "FileHash", null, 9, s => s + $"FileHash: sha256:{NarHashHex}\n"),
        Bad("FileHashWithoutPrefix", NarInfoError.MissingPrefixForHash, "FileHash", null, 9, s => s + $"FileHash: {new string('0', 52)}\n"),
        Bad("NarSizeAfterTwoBlanks", NarInfoError.UnableToParseSize, "NarSize", null, 5, s => Replace(s, "NarSize", " 1216")),
        Bad("NarSizeNegative", NarInfoError.UnableToParseSize, "NarSize", null, 5, s => Replace(s, "NarSize", "-1")),
        Bad("NarSizeInHex", NarInfoError.UnableToParseSize, "NarSize", null, 5, s => Replace(s, "NarSize", "0x10")),
        Bad("NarSizeTooLarge", NarInfoError.UnableToParseSize, "NarSize", null, 5, s => Replace(s, "NarSize", "18446744073709551616")),
        Bad(
            "NarSizeMuchTooLarge",
            NarInfoError.UnableToParseSize,
            "NarSize",
            null,
            5,
            s => Replace(s, "NarSize", "99999999999999999999999999")),
        Bad("NarSizeEmpty", NarInfoError.UnableToParseSize, "NarSize", null, 5, s => Replace(s, "NarSize", "")),
        Bad("NarSizeOnlySign", NarInfoError.UnableToParseSize, "NarSize", null, 5, s => Replace(s, "NarSize", "+")),
        Bad("FileSizeNoNumber", NarInfoError.UnableToParseSize, "FileSize", null, 9, s => s + "FileSize: x\n"),
        Bad(
            "ReferenceAbsolute",
            NarInfoError.InvalidReference,
            "References",
            0,
            6,
            s => s.Replace("References: ", "References: /nix/store/")),
        Bad("ReferencesTwoBlanks", NarInfoError.InvalidReference, "References", 1, 6, s => s.Replace("-dep.txt ", "-dep.txt  ")),
        Bad("ReferencesBlankAtEnd", NarInfoError.InvalidReference, "References", 3, 6, s => s.Replace("\nDeriver", " \nDeriver")),
        Bad("ReferencesOneBlank", NarInfoError.InvalidReference, "References", 0, 6, s => Replace(s, "References", " ")),
        Bad("DeriverWithoutSuffix", NarInfoError.InvalidDeriverStorePathMissingSuffix, "Deriver", null, 7, s => s.Replace(".drv", "")),
        Bad(
            "DeriverAbsolute",
            NarInfoError.InvalidDeriverStorePath,
            "Deriver",
            null,
            7,
            s => s.Replace("Deriver: ", "Deriver: /nix/store/")),
        Bad(
            "DeriverOnlySuffix",
            NarInfoError.InvalidDeriverStorePath,
            "Deriver",
            null,
            7,
            s => Replace(s, "Deriver", "71y3wghfy614gy0vf7bbq9qiwcw18myk-.drv")),
        Bad("SignatureMalformed", NarInfoError.UnableToParseSignature, "Sig", 1, 9, s => s + "Sig: foo\n"),
        Bad("ContentAddressMalformed", NarInfoError.UnableToParseContentAddress, "CA", null, 9, s => s + "CA: foo\n"),
    ];

    [TestCaseSource(nameof(Records))]
    public void Parse_ThenToText_GivesTheSameBytes(string text)
    {
        NarInfo info = NarInfo.Parse(text);

        Assert.That(info.ToText(), Is.EqualTo(text));
        Assert.That(info.ToString(), Is.EqualTo(text));
        Assert.That(info.ToUtf8(), Is.EqualTo(Encoding.UTF8.GetBytes(text)));
    }

    [Test]
    public void Parse_Curl_GivesTheFields()
    {
        NarInfo info = NarInfo.Parse(NarInfoSamples.Curl);

        Assert.That(info.StorePath.ToString(), Is.EqualTo("syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin"));
        Assert.That(info.Url, Is.EqualTo("nar/05ra3y72i3qjri7xskf9qj8kb29r6naqy1sqpbs3azi3xcigmj56.nar.xz"));
        Assert.That(info.Compression, Is.EqualTo("xz"));
        Assert.That(info.FileHash!.Value.ToNixBase32String(), Is.EqualTo("05ra3y72i3qjri7xskf9qj8kb29r6naqy1sqpbs3azi3xcigmj56"));
        Assert.That(info.FileSize, Is.EqualTo(68852));
        Assert.That(info.NarHash.ToNixBase32String(), Is.EqualTo("1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0"));
        Assert.That(info.NarSize, Is.EqualTo(196040));
        Assert.That(
            info.References.Select(r => r.Name),
            Is.EqualTo(new[] { "curl-7.82.0", "glibc-2.34-115", "zlib-1.2.12", "openssl-1.1.1n" }));
        Assert.That(info.Deriver!.ToString(), Is.EqualTo("5rwxzi7pal3qhpsyfc16gzkh939q1np6-curl-7.82.0"));
        Assert.That(info.System, Is.Null);
        Assert.That(info.Signatures.Select(s => s.Name), Is.EqualTo(new[] { "cache.nixos.org-1", "test1" }));
        Assert.That(info.ContentAddress, Is.Null);
        Assert.That(info.Quirks, Is.EqualTo(NarInfoQuirks.None));
    }

    [Test]
    public void Parse_Text_GivesTheContentAddress()
    {
        NarInfo info = NarInfo.Parse(NarInfoSamples.Text);

        Assert.That(info.ContentAddress, Is.EqualTo(ContentAddress.Text(Sha256Digest.Compute("dependency\n"u8))));
        Assert.That(info.References, Is.Empty);
        Assert.That(info.Deriver, Is.Null);
    }

    [Test]
    public void Parse_DeriverOfADerivation_KeepsOneSuffix()
    {
        string text = NarInfoSamples.Main.Replace("main-1.0.drv", "main-1.0.drv.drv");

        NarInfo info = NarInfo.Parse(text);

        Assert.That(info.Deriver!.Name, Is.EqualTo("main-1.0.drv"));
        Assert.That(info.ToText(), Is.EqualTo(text));
    }

    [Test]
    public void Parse_System_IsKept()
    {
        NarInfo info = NarInfo.Parse(NarInfoSamples.Main.Replace("Sig: ", "System: x86_64-linux\nSig: "));

        Assert.That(info.System, Is.EqualTo("x86_64-linux"));
        Assert.That(info.ToText(), Does.Contain(".drv\nSystem: x86_64-linux\nSig: "));
    }

    [TestCaseSource(nameof(Quirky))]
    public void Parse_Unusual_IsAcceptedAndRemembered(NarInfoQuirks expected, string text)
    {
        NarInfo info = NarInfo.Parse(text);

        Assert.That(info.Quirks, Is.EqualTo(expected));
        Assert.That(info.NarSize, Is.EqualTo(1216));
        Assert.That(info.StorePath.Name, Is.EqualTo("main-1.0"));
        Assert.That(info.Compression, Is.EqualTo(expected == NarInfoQuirks.CompressionMissing ? "bzip2" : "none"));
        Assert.That(info.Deriver is null, Is.EqualTo(expected == NarInfoQuirks.UnknownDeriver));
        Assert.That(info.References, expected == NarInfoQuirks.ReferencesMissing ? Is.Empty : Is.Not.Empty);
    }

    [Test]
    public void ToText_ReadWithoutCompression_LeavesItOut()
    {
        string text = NarInfoSamples.Main.Replace("Compression: none\n", "");

        Assert.That(NarInfo.Parse(text).ToText(), Is.EqualTo(text));
    }

    [Test]
    public void ToText_ReadWithQuirks_WritesTheUsualForm()
    {
        string hex = NarInfoSamples.Main.Replace(
            "NarHash: sha256:071zb1j97mc9jly8wv7xwg1snj8n5f6iyk4h59ih7ab9if65yr8q",
            "NarHash: sha256:" + NarHashHex);

        Assert.That(NarInfo.Parse(hex).ToText(), Is.EqualTo(NarInfoSamples.Main));
        Assert.That(NarInfo.Parse(NarInfoSamples.Main + "Foo: bar\n").ToText(), Is.EqualTo(NarInfoSamples.Main));
        Assert.That(NarInfo.Parse(Without(NarInfoSamples.Main, "References")).ToText(), Does.Contain("\nReferences: \n"));
        Assert.That(NarInfo.Parse(Replace(NarInfoSamples.Main, "Deriver", "unknown-deriver")).ToText(), Does.Not.Contain("Deriver"));
    }

    [TestCaseSource(nameof(Malformed))]
    public void Parse_Malformed_TellsWhatAndWhere(NarInfoError error, string? field, int? index, int? line, string text)
    {
        // A code point that is not a character stands for bytes that are not UTF-8.
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        for (int at; (at = utf8.AsSpan().IndexOf("\uffff"u8)) >= 0;)
        {
            utf8[at] = 0xff;
        }

        NarInfoFormatException? e = Assert.Throws<NarInfoFormatException>(() => NarInfo.Parse(utf8));

        Assert.That((e!.Error, e.Field, e.Index, e.Line), Is.EqualTo((error, field, index, line)));
        Assert.That(e.Message, Is.Not.Empty);
    }

    [Test]
    public void Malformed_Cases_CoverEveryError() =>
        Assert.That(Malformed.Select(c => (NarInfoError)c.Arguments[0]!).Distinct(), Is.EquivalentTo(Enum.GetValues<NarInfoError>()));

    [TestCase(NarInfoSamples.Curl, NarInfoSamples.CurlFingerprint, TestName = "GetFingerprint_Curl_IsTheKnownOne")]
    [TestCase(NarInfoSamples.Text, NarInfoSamples.TextFingerprint, TestName = "GetFingerprint_Text_IsTheKnownOne")]
    public void GetFingerprint(string text, string expected) =>
        Assert.That(Encoding.UTF8.GetString(NarInfo.Parse(text).GetFingerprint()), Is.EqualTo(expected));

    [Test]
    public void Parse_OtherStoreDirectory_IsReadAndWrittenThere()
    {
        StoreDirectory elsewhere = new("/opt/altstore");
        string text = NarInfoSamples.Main.Replace("/nix/store", "/opt/altstore");

        NarInfo info = NarInfo.Parse(text, elsewhere);

        Assert.That(info.ToText(elsewhere), Is.EqualTo(text));
        Assert.That(
            Encoding.UTF8.GetString(info.GetFingerprint(elsewhere)),
            Does.StartWith("1;/opt/altstore/i9q0").And.EndWith(",/opt/altstore/i9q0aqbnkznrwn61m9a640jgvq06b8ih-main-1.0"));
    }

    [Test]
    public void Init_ValuesThatCannotBeWritten_Throw()
    {
        StorePath path = new(default, "x");

        Assert.That(() => new NarInfo { StorePath = path, Url = "", NarHash = default, NarSize = 1 }, Throws.ArgumentException);
        Assert.That(() => new NarInfo { StorePath = path, Url = "a\nb", NarHash = default, NarSize = 1 }, Throws.ArgumentException);
        Assert.That(
            () => new NarInfo { StorePath = path, Url = "a", Compression = "", NarHash = default, NarSize = 1 },
            Throws.ArgumentException);
        Assert.That(
            () => new NarInfo { StorePath = path, Url = "a", System = "x\n", NarHash = default, NarSize = 1 },
            Throws.ArgumentException);
        Assert.That(
            () => new NarInfo { StorePath = path, Url = "a", References = [null!], NarHash = default, NarSize = 1 },
            Throws.ArgumentException);
        Assert.That(() => new NarInfo { StorePath = null!, Url = "a", NarHash = default, NarSize = 1 }, Throws.ArgumentNullException);
    }

    private static TestCaseData Case(string name, NarInfoQuirks quirks, Func<string, string> change) =>
        new TestCaseData(quirks, change(NarInfoSamples.Main)).SetArgDisplayNames(name);

    private static TestCaseData Bad(string name, NarInfoError error, string? field, int? index, int? line, Func<string, string> change) =>
        new TestCaseData(error, field, index, line, change(NarInfoSamples.Main)).SetArgDisplayNames(name);

    private static string Replace(string text, string key, string value) =>
        string.Join(
            '\n',
            text.Split('\n').Select(line => line.StartsWith(key + ": ", StringComparison.Ordinal) ? $"{key}: {value}" : line));

    private static string Without(string text, string key) =>
        string.Join('\n', text.Split('\n').Where(line => !line.StartsWith(key + ": ", StringComparison.Ordinal)));
}
