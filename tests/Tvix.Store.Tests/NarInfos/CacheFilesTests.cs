using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.NarInfos;

[TestFixture]
public sealed class CacheFilesTests
{
    private const string NarSymbols = "14cx20k6z4hq508kqi2lm79qfld5f9mf7kiafpqsjs3zlmycza0k";
    private const string NarHex = "13a8cf7ca57f68a9f1752acee36a72a55187d3a954443c112818926f26109d91";

    [TestCase(".xz")]
    [TestCase("")]
    [TestCase(".zst")]
    public void TryParseNar_Vector_GivesDigestAndSuffix(string suffix)
    {
        Assert.That(BinaryCacheFileName.TryParseNar($"{NarSymbols}.nar{suffix}", out Sha256Digest digest, out string? found), Is.True);
        Assert.That(digest.ToHexString(), Is.EqualTo(NarHex));
        Assert.That(found, Is.EqualTo(suffix));
        Assert.That(BinaryCacheFileName.FormatNar(digest, suffix), Is.EqualTo($"{NarSymbols}.nar{suffix}"));
    }

    [TestCase("")]
    [TestCase(NarSymbols)]
    [TestCase(NarSymbols + ".xz")]
    [TestCase(NarSymbols + ".na")]
    [TestCase("4cx20k6z4hq508kqi2lm79qfld5f9mf7kiafpqsjs3zlmycza0k.nar")]
    [TestCase("e4cx20k6z4hq508kqi2lm79qfld5f9mf7kiafpqsjs3zlmycza0k.nar")]
    [TestCase("z4cx20k6z4hq508kqi2lm79qfld5f9mf7kiafpqsjs3zlmycza0k.nar")]
    [TestCase("14cx20k6z4hq508kqi2lm79qfld5f9mf7kiafpqsjs3zlmycza0é.nar")]
    [TestCase("0" + NarSymbols + ".nar")]
    public void TryParseNar_OtherName_IsFalse(string name)
    {
        Assert.That(BinaryCacheFileName.TryParseNar(name, out _, out string? suffix), Is.False);
        Assert.That(suffix, Is.Null);
    }

    [Test]
    public void TryParseNarInfo_Name_GivesTheDigest()
    {
        Assert.That(BinaryCacheFileName.TryParseNarInfo("00bgd045z0d4icpbc2yyz4gx48ak44la.narinfo", out StorePathDigest digest), Is.True);
        Assert.That(digest, Is.EqualTo(new StorePathDigest(Convert.FromHexString("8a12321522fd91efbd60ebb2481af88580f61600"))));
        Assert.That(BinaryCacheFileName.FormatNarInfo(digest), Is.EqualTo("00bgd045z0d4icpbc2yyz4gx48ak44la.narinfo"));
    }

    [TestCase("")]
    [TestCase(".narinfo")]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44la")]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44la.narinfo.xz")]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44la-x.narinfo")]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48aku4la.narinfo")]
    [TestCase("0bgd045z0d4icpbc2yyz4gx48ak44la.narinfo")]
    public void TryParseNarInfo_OtherName_IsFalse(string name) => Assert.That(BinaryCacheFileName.TryParseNarInfo(name, out _), Is.False);

    [Test]
    public void NixCacheInfo_OfABridge_IsWrittenAsKnown()
    {
        NixCacheInfo info = new() { StoreDirectory = "/nix/store", WantMassQuery = true, Priority = 39 };

        Assert.That(info.ToString(), Is.EqualTo("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 39\n"));
        Assert.That(NixCacheInfo.Parse(info.ToString()), Is.EqualTo(info));
    }

    [Test]
    public void NixCacheInfo_OfNix_IsWrittenAsKnown() =>
        Assert.That(
            new NixCacheInfo { StoreDirectory = "/nix/store" }.ToString(),
            Is.EqualTo("StoreDir: /nix/store\n").And.Length.EqualTo(21));

    [TestCase("", null, false, 0)]
    [TestCase("StoreDir: /nix/store", "/nix/store", false, 0)]
    [TestCase("StoreDir:  /nix/store  \r\nWantMassQuery:1\nPriority:\t40", "/nix/store", true, 40)]
    [TestCase("what is this\n\nFoo: bar\nPriority: -3\nWantMassQuery: yes\n", null, false, -3)]
    [TestCase("Priority: 1\nPriority: 2\n", null, false, 2)]
    public void NixCacheInfo_Parse_IsLenient(string text, string? directory, bool massQuery, int priority) => Assert.That(
        NixCacheInfo.Parse(text), Is.EqualTo(
            new NixCacheInfo { StoreDirectory = directory, WantMassQuery = massQuery, Priority = priority }));

    [TestCase("Priority: high")]
    [TestCase("Priority: ")]
    [TestCase("Priority: 99999999999")]
    public void NixCacheInfo_ParseBadPriority_Throws(string text) =>
        Assert.That(() => NixCacheInfo.Parse(text), Throws.TypeOf<FormatException>());

    [Test]
    public void NixCacheInfo_Serves_TheSameDirectoryOrAny()
    {
        Assert.That(new NixCacheInfo().Serves(new StoreDirectory("/opt/altstore")), Is.True);
        Assert.That(new NixCacheInfo { StoreDirectory = "/nix/store" }.Serves(default), Is.True);
        Assert.That(new NixCacheInfo { StoreDirectory = "/nix/store" }.Serves(new StoreDirectory("/opt/altstore")), Is.False);
    }

    private static readonly object[][] s_castoreNars =
    [
        [new Node.Symlink(new SymlinkTarget("/nix/store/somewhereelse")), "GhoSGC9uaXgvc3RvcmUvc29tZXdoZXJlZWxzZQ"],
        [
            new Node.File(B3Digest.ParseHex("5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c"), 12, false),
            "EiQSIFyngVrctITpoTbBHv5pwdUwF21Um10Y0DjrUoC0s0cMGAw",
        ],
        [
            new Node.Directory(B3Digest.ParseHex("3f951a15afd586fb3121ef4d13d582e811ce0e5a7f21c0497fd87490e9e2355a"), 4),
            "CiQSID-VGhWv1Yb7MSHvTRPVgugRzg5afyHASX_YdJDp4jVaGAQ",
        ],
    ];

    [TestCaseSource(nameof(s_castoreNars))]
    public void FormatCastoreNar_Vector_HasTheNodeInBase64(Node root, string encoded) =>
        Assert.That(BinaryCacheFileName.FormatCastoreNar(root, 136), Is.EqualTo($"nar/tvix-castore/{encoded}?narsize=136"));
}
