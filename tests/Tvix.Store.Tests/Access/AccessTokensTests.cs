using NUnit.Framework;
using Tvix.Store.Access;

namespace Tvix.Store.Tests.Access;

[TestFixture]
public sealed class AccessTokensTests
{
    private const string Reader = "reader-0123456789";
    private const string Writer = "w.r~i_t+e/r0123456789==";

    [Test]
    public void Parse_LinesOfAllKinds_FindsEachToken()
    {
        AccessTokens tokens = AccessTokens.Parse($"# a comment\n\n  read {Reader}  \r\n\twrite\t{Writer} ci\n# write {Reader}x");
        Assert.That(tokens.Count, Is.EqualTo(2));
        Assert.That(tokens.Find(Reader), Is.EqualTo(new AccessGrant(StoreAccess.Read, null)));
        Assert.That(tokens.Find(Writer), Is.EqualTo(new AccessGrant(StoreAccess.Write, "ci")));
    }

    [TestCase("")]
    [TestCase("reader-012345678")]
    [TestCase("reader-01234567890")]
    [TestCase("READER-0123456789")]
    [TestCase("reader-0123456789 ")]
    [TestCase("reader-0123456789x")]
    public void Find_OtherToken_IsNull(string token) => Assert.That(AccessTokens.Parse($"read {Reader}").Find(token), Is.Null);

    [Test]
    public void Find_HugeToken_IsNull() => Assert.That(AccessTokens.Parse($"read {Reader}").Find(new string('a', 1 << 20)), Is.Null);

    [Test]
    public void Find_InEmpty_IsNull() => Assert.That(AccessTokens.Empty.Find(Reader), Is.Null);

    [TestCase("admin " + Reader, "does not begin")]
    [TestCase("READ " + Reader, "does not begin")]
    [TestCase(Reader, "does not begin")]
    [TestCase("read", "is not 'read TOKEN")]
    [TestCase("read " + Reader + " name more", "is not 'read TOKEN")]
    [TestCase("read fifteen-0123456", "16 to 1024", TestName = "{m}(short)")]
    [TestCase("read sixteen-0123456ä", "other characters")]
    [TestCase("read " + Reader + " na\u0001me", "not printable")]
    [TestCase("read " + Reader + "\nwrite " + Reader, "another line")]
    public void Parse_BadLine_SaysWhichAndKeepsItToItself(string line, string fault)
    {
        if (fault.StartsWith("16", StringComparison.Ordinal))
        {
            line = "read " + new string('s', AccessTokens.MinTokenLength - 1);
        }

        FormatException e = Assert.Throws<FormatException>(() => AccessTokens.Parse("# first\n" + line))!;
        Assert.That(e.Message, Does.StartWith(line.Contains('\n', StringComparison.Ordinal) ? "Line 3 " : "Line 2 ").And.Contains(fault));
        Assert.That(e.Message, Does.Not.Contain("0123456").And.Not.Contain("sss"));
    }

    [Test]
    public void Parse_TokenOfTheLimitsOfLength_IsTaken()
    {
        string shortest = new('a', AccessTokens.MinTokenLength);
        string longest = new('a', AccessTokens.MaxTokenLength);
        AccessTokens tokens = AccessTokens.Parse($"read {shortest}\nwrite {longest}");
        Assert.That(tokens.Find(shortest)!.Access, Is.EqualTo(StoreAccess.Read));
        Assert.That(tokens.Find(longest)!.Access, Is.EqualTo(StoreAccess.Write));
        Assert.Throws<FormatException>(() => AccessTokens.Parse($"read {longest}a"));
    }
}
