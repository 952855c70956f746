using System.Text;
using NUnit.Framework;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.Nix;

[TestFixture]
public sealed class StorePathTests
{
    private const string NetTools = "00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60_p20170221182432";
    private static readonly StorePathDigest NetToolsDigest = new(Convert.FromHexString("8a12321522fd91efbd60ebb2481af88580f61600"));

    [Test]
    public void ParseBaseName_Vector_GivesItAndBack()
    {
        StorePath path = StorePath.ParseBaseName(NetTools);

        Assert.That(path.Digest, Is.EqualTo(NetToolsDigest));
        Assert.That(path.Name, Is.EqualTo("net-tools-1.60_p20170221182432"));
        Assert.That(path.ToString(), Is.EqualTo(NetTools));
        Assert.That(path.ToAbsolutePath(), Is.EqualTo("/nix/store/" + NetTools));
        Assert.That(path.ToAbsolutePath(new StoreDirectory("/opt/altstore")), Is.EqualTo("/opt/altstore/" + NetTools));
    }

    [TestCase(".gitignore")]
    [TestCase(".")]
    [TestCase("..")]
    [TestCase(".-x")]
    [TestCase("..-x")]
    [TestCase("a+-._?=Z9")]
    public void ParseBaseName_OddName_IsAccepted(string name) =>
        Assert.That(StorePath.ParseBaseName("fli4bwscgna7lpm7v5xgnjxrxh0yc7ra-" + name).Name, Is.EqualTo(name));

    [Test]
    public void ParseBaseName_LongestName_IsAccepted()
    {
        Assert.That(StorePath.ParseBaseName($"fli4bwscgna7lpm7v5xgnjxrxh0yc7ra-{new string('a', 211)}").Name, Has.Length.EqualTo(211));
        AssertBaseNameFails($"fli4bwscgna7lpm7v5xgnjxrxh0yc7ra-{new string('a', 212)}", StorePathError.InvalidLength);
    }

    [TestCase("", StorePathError.InvalidLength)]
    [TestCase("00bgd045z0d4icpbc2yy-", StorePathError.InvalidLength)]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44la-", StorePathError.InvalidLength)]
    [TestCase("00bgd045z0d4icpbc2yy-net-tools-1.60_p20170221182432", StorePathError.InvalidHashEncoding)]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48aku4la-net-tools", StorePathError.InvalidHashEncoding)]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44lanet-tools-1.60_p20170221182432", StorePathError.MissingDash)]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44la-net/tools", StorePathError.InvalidName)]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44la-net tools", StorePathError.InvalidName)]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44la-nét", StorePathError.InvalidName)]
    [TestCase("/nix/store/" + NetTools, StorePathError.InvalidHashEncoding)]
    public void TryParseBaseName_Malformed_TellsWhat(string text, StorePathError expected) => AssertBaseNameFails(text, expected);

    [Test]
    public void ParseBaseName_Malformed_SaysWhere()
    {
        Assert.That(
            () => StorePath.ParseBaseName("00bgd045z0d4icpbc2yyz4gx48aku4la-net"),
            Throws.TypeOf<FormatException>().With.Message.Contains("position 28"));
        Assert.That(
            () => StorePath.ParseBaseName("00bgd045z0d4icpbc2yyz4gx48ak44la-abc d"),
            Throws.TypeOf<FormatException>().With.Message.Contains("byte at 3"));
        Assert.That(
            () => StorePath.ParseAbsolute("/nix/store/00bgd045z0d4icpbc2yyz4gx48aku4la-net"),
            Throws.TypeOf<FormatException>().With.Message.Contains("position 28"));
    }

    [TestCase("/nix/store/" + NetTools)]
    public void ParseAbsolute_Vector_GivesIt(string text) => Assert.That(StorePath.ParseAbsolute(text).ToString(), Is.EqualTo(NetTools));

    [TestCase("foobar-123", StorePathError.MissingStoreDirectory)]
    [TestCase("", StorePathError.MissingStoreDirectory)]
    [TestCase("/nix/store", StorePathError.MissingStoreDirectory)]
    [TestCase("/gnu/store/" + NetTools, StorePathError.MissingStoreDirectory)]
    [TestCase("/nix/store2/" + NetTools, StorePathError.MissingStoreDirectory)]
    [TestCase(NetTools, StorePathError.MissingStoreDirectory)]
    [TestCase("/nix/store/", StorePathError.InvalidLength)]
    [TestCase("/nix/store/" + NetTools + "/", StorePathError.InvalidName)]
    [TestCase("/nix/store/" + NetTools + "/bin", StorePathError.InvalidName)]
    [TestCase("/nix/store//" + NetTools, StorePathError.InvalidHashEncoding)]
    public void TryParseAbsolute_Malformed_TellsWhat(string text, StorePathError expected)
    {
        Assert.That(StorePath.TryParseAbsolute(Encoding.UTF8.GetBytes(text), out StorePath? path, out StorePathError error), Is.False);
        Assert.That(path, Is.Null);
        Assert.That(error, Is.EqualTo(expected));
        Assert.That(() => StorePath.ParseAbsolute(text), Throws.TypeOf<FormatException>());
    }

    [Test]
    public void ParseAbsolute_OtherStoreDirectory_IsItsOwn()
    {
        StoreDirectory elsewhere = new("/opt/altstore");

        Assert.That(StorePath.ParseAbsolute("/opt/altstore/" + NetTools, elsewhere).Digest, Is.EqualTo(NetToolsDigest));
        Assert.That(() => StorePath.ParseAbsolute("/nix/store/" + NetTools, elsewhere), Throws.TypeOf<FormatException>());
    }

    [TestCase("/nix/store/" + NetTools, "")]
    [TestCase("/nix/store/" + NetTools + "/", "")]
    [TestCase("/nix/store/" + NetTools + "/bin/arp/", "bin/arp")]
    [TestCase("//nix/./store///" + NetTools + "/./bin//arp/.", "bin/arp")]
    [TestCase("/nix/store/" + NetTools + "/../x", "../x")]
    [TestCase("/nix/store/" + NetTools + "/é", "é")]
    public void ParseAbsoluteWithSubPath_Vector_GivesBoth(string text, string subPath)
    {
        Assert.That(StorePath.ParseAbsoluteWithSubPath(text, out string found).ToString(), Is.EqualTo(NetTools));
        Assert.That(found, Is.EqualTo(subPath));
    }

    [TestCase("/nix/store/", StorePathError.InvalidLength)]
    [TestCase("/nix/store", StorePathError.InvalidLength)]
    [TestCase("/nix", StorePathError.MissingStoreDirectory)]
    [TestCase("nix/store/" + NetTools, StorePathError.MissingStoreDirectory)]
    [TestCase("/nix/store/../store/" + NetTools, StorePathError.InvalidLength)]
    [TestCase("", StorePathError.MissingStoreDirectory)]
    public void TryParseAbsoluteWithSubPath_Malformed_TellsWhat(string text, StorePathError expected)
    {
        bool ok = StorePath.TryParseAbsoluteWithSubPath(Encoding.UTF8.GetBytes(text), out _, out byte[] subPath, out StorePathError error);

        Assert.That(ok, Is.False);
        Assert.That(error, Is.EqualTo(expected));
        Assert.That(subPath, Is.Empty);
        Assert.That(() => StorePath.ParseAbsoluteWithSubPath(text, out _), Throws.TypeOf<FormatException>());
    }

    [Test]
    public void TryParseAbsoluteWithSubPath_BytesThatAreNoText_AreKept()
    {
        byte[] path = [.. "/nix/store/"u8, .. Encoding.ASCII.GetBytes(NetTools), (byte)'/', 0xff, 0xfe];

        Assert.That(StorePath.TryParseAbsoluteWithSubPath(path, out _, out byte[] subPath, out _), Is.True);
        Assert.That(subPath, Is.EqualTo(new byte[] { 0xff, 0xfe }));
    }

    [TestCase(19, "foo", StorePathError.InvalidLength)]
    [TestCase(0, "foo", StorePathError.InvalidLength)]
    [TestCase(20, "", StorePathError.InvalidLength)]
    [TestCase(20, "f/o", StorePathError.InvalidName)]
    [TestCase(20, "foo", StorePathError.None)]
    public void TryCreate_RawParts_AreChecked(int digestLength, string name, StorePathError expected)
    {
        bool ok = StorePath.TryCreate(Encoding.UTF8.GetBytes(name), new byte[digestLength], out StorePath? path, out StorePathError error);

        Assert.That(error, Is.EqualTo(expected));
        Assert.That(ok, Is.EqualTo(expected == StorePathError.None));
        Assert.That(path?.Name, Is.EqualTo(ok ? name : null));
    }

    [TestCase("")]
    [TestCase("a b")]
    public void Constructor_InvalidName_Throws(string name) => Assert.That(() => new StorePath(default, name), Throws.ArgumentException);

    [Test]
    public void CompareTo_KnownOrder_IsThatOfBaseNames()
    {
        string[] sorted =
        [
            "0lk5dgi01r933abzfj9c9wlndg82yd3g-psutil-5.9.6.tar.gz.drv",
            "1xj43bva89f9qmwm37zl7r3d7m67i9ck-shorttoc-1.3-tex.drv",
            "a4i5mci2g9ada6ff7ks38g11dg6iqyb8-perl-5.32.1.drv",
            "w6svg3m2xdh6dhx0gl1nwa48g57d3hxh-thiserror-1.0.49",
        ];

        Assert.That(sorted.Reverse().Select(s => StorePath.ParseBaseName(s)).Order().Select(p => p.ToString()), Is.EqualTo(sorted));
    }

    [FsCheck.NUnit.Property(MaxTest = 500, Replay = "1234567,8901235")]
    public bool CompareTo_AnyDigests_IsTheOrderOfTheTexts(ulong a, ulong b, byte where)
    {
        StorePathDigest left = DigestOf(a, where % 13);
        StorePathDigest right = DigestOf(b, where % 13);
        return Math.Sign(left.CompareTo(right)) == Math.Sign(string.CompareOrdinal(left.ToString(), right.ToString()))
            && StorePathDigest.Parse(left.ToString()) == left
            && (left == right) == (a == b);
    }

    [Test]
    public void CompareTo_SameDigest_IsByName()
    {
        StorePath a = new(default, "a");
        StorePath b = new(default, "b");

        Assert.That(a.CompareTo(b), Is.Negative);
        Assert.That(a == b, Is.False);
        Assert.That(a, Is.EqualTo(new StorePath(default, "a")));
        Assert.That(a.CompareTo(null), Is.Positive);
    }

    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44l")]
    [TestCase("00bgd045z0d4icpbc2yyz4gx48ak44lA")]
    public void StorePathDigest_Malformed_Throws(string text)
    {
        Assert.That(() => StorePathDigest.Parse(text), Throws.TypeOf<FormatException>());
        Assert.That(StorePathDigest.TryParse(text, out _), Is.False);
    }

    [Test]
    public void StorePathDigest_WrongLength_Throws()
    {
        Assert.That(() => new StorePathDigest(new byte[32]), Throws.ArgumentException);
        Assert.That(() => default(StorePathDigest).CopyTo(new byte[19]), Throws.ArgumentException);
        Assert.That(NetToolsDigest.ToByteArray(), Is.EqualTo(Convert.FromHexString("8a12321522fd91efbd60ebb2481af88580f61600")));
    }

    [TestCase("abc", StorePathError.None, 0)]
    [TestCase("", StorePathError.InvalidLength, 0)]
    [TestCase("ab*d*", StorePathError.InvalidName, 2)]
    public void StorePathName_Validate_TellsWhatAndWhere(string name, StorePathError expected, int position)
    {
        Assert.That(StorePathName.Validate(Encoding.UTF8.GetBytes(name), out int found), Is.EqualTo(expected));
        Assert.That(found, Is.EqualTo(position));
    }

    [TestCase(".", false)]
    [TestCase("..", false)]
    [TestCase(".-x", false)]
    [TestCase("..-x", false)]
    [TestCase("", false)]
    [TestCase("a b", false)]
    [TestCase(".gitignore", true)]
    [TestCase("...", true)]
    [TestCase(".x-y", true)]
    [TestCase("hello-2.12", true)]
    public void StorePathName_IsSafeToCreate_RefusesTheDots(string name, bool expected) =>
        Assert.That(StorePathName.IsSafeToCreate(name), Is.EqualTo(expected));

    [TestCase("nix/store")]
    [TestCase("/nix/store/")]
    [TestCase("/nix//store")]
    [TestCase("/nix/../store")]
    [TestCase("/nix/./store")]
    [TestCase("/")]
    [TestCase("")]
    [TestCase("/nix\nstore")]
    public void StoreDirectory_NotInNormalForm_Throws(string path) => Assert.That(() => new StoreDirectory(path), Throws.ArgumentException);

    [Test]
    public void StoreDirectory_Default_IsNixStore()
    {
        Assert.That(default(StoreDirectory).Path, Is.EqualTo("/nix/store"));
        Assert.That(new StoreDirectory("/nix/store"), Is.EqualTo(StoreDirectory.Default));
        Assert.That(new StoreDirectory("/x"), Is.Not.EqualTo(StoreDirectory.Default));
    }

    private static StorePathDigest DigestOf(ulong number, int at)
    {
        byte[] bytes = new byte[StorePathDigest.Size];
        BitConverter.TryWriteBytes(bytes.AsSpan(at), number);
        return new StorePathDigest(bytes);
    }

    private static void AssertBaseNameFails(string text, StorePathError expected)
    {
        Assert.That(StorePath.TryParseBaseName(Encoding.UTF8.GetBytes(text), out StorePath? path, out StorePathError error), Is.False);
        Assert.That(path, Is.Null);
        Assert.That(error, Is.EqualTo(expected));
        Assert.That(() => StorePath.ParseBaseName(text), Throws.TypeOf<FormatException>());
    }
}
