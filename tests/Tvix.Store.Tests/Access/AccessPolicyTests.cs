using System.Text;
using NUnit.Framework;
using Tvix.Store.Access;

namespace Tvix.Store.Tests.Access;

[TestFixture]
public sealed class AccessPolicyTests
{
    private const string Reader = "reader-0123456789";
    private const string Writer = "writer-0123456789";

    private static readonly AccessTokens s_tokens = AccessTokens.Parse($"read {Reader} r\nwrite {Writer} w");

    [TestCase(null, StoreAccess.Read, false, AccessDecision.Unauthenticated)]
    [TestCase(null, StoreAccess.Read, true, AccessDecision.Granted)]
    [TestCase("", StoreAccess.Read, true, AccessDecision.Granted)]
    [TestCase(null, StoreAccess.Write, false, AccessDecision.Unauthenticated)]
    [TestCase(null, StoreAccess.Write, true, AccessDecision.Unauthenticated)]
    [TestCase("Bearer " + Reader, StoreAccess.Read, false, AccessDecision.Granted)]
    [TestCase("bearer   " + Reader, StoreAccess.Read, false, AccessDecision.Granted)]
    [TestCase("Bearer " + Reader, StoreAccess.Write, false, AccessDecision.Denied)]
    [TestCase("Bearer " + Reader, StoreAccess.Write, true, AccessDecision.Denied)]
    [TestCase("Bearer " + Writer, StoreAccess.Read, false, AccessDecision.Granted)]
    [TestCase("Bearer " + Writer, StoreAccess.Write, false, AccessDecision.Granted)]
    [TestCase("Bearer unknown-0123456789", StoreAccess.Read, false, AccessDecision.Unauthenticated)]
    [TestCase("Bearer unknown-0123456789", StoreAccess.Read, true, AccessDecision.Unauthenticated)]
    [TestCase("Bearer", StoreAccess.Read, true, AccessDecision.Unauthenticated)]
    [TestCase(Writer, StoreAccess.Read, false, AccessDecision.Unauthenticated)]
    [TestCase("Digest " + Writer, StoreAccess.Read, false, AccessDecision.Unauthenticated)]
    [TestCase("Basic " + Writer, StoreAccess.Read, false, AccessDecision.Unauthenticated)]
    [TestCase("Basic !", StoreAccess.Read, false, AccessDecision.Unauthenticated)]
    public void Decide_WithTokens(string? header, StoreAccess needed, bool publicRead, AccessDecision expected)
    {
        AccessPolicy policy = new() { Tokens = () => s_tokens, PublicRead = publicRead };
        Assert.That(policy.Decide(header, needed, out AccessGrant? grant), Is.EqualTo(expected));
        Assert.That(grant?.Name, expected == AccessDecision.Unauthenticated || string.IsNullOrEmpty(header) ? Is.Null : Is.EqualTo(header.Contains(Reader, StringComparison.Ordinal) ? "r" : "w"));
    }

    [TestCase("user:" + Writer, AccessDecision.Granted)]
    [TestCase(":" + Reader, AccessDecision.Denied)]
    [TestCase(Writer, AccessDecision.Unauthenticated)]
    [TestCase(Writer + ":", AccessDecision.Unauthenticated)]
    public void Decide_BasicHeader_TakesThePassword(string credentials, AccessDecision expected)
    {
        AccessPolicy policy = new() { Tokens = () => s_tokens };
        string header = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials));
        Assert.That(policy.Decide(header, StoreAccess.Write, out _), Is.EqualTo(expected));
    }

    [Test]
    public void Decide_WithoutTokens_GrantsEverything()
    {
        Assert.That(new AccessPolicy().Decide(null, StoreAccess.Write, out _), Is.EqualTo(AccessDecision.Granted));
        Assert.That(new AccessPolicy().Decide("Bearer whatever", StoreAccess.Write, out AccessGrant? grant), Is.EqualTo(AccessDecision.Granted));
        Assert.That(grant, Is.Null);
    }

    [Test]
    public void Decide_TokensOfNobody_RefusesAll() =>
        Assert.That(new AccessPolicy { Tokens = () => AccessTokens.Empty }.Decide("Bearer " + Writer, StoreAccess.Read, out _), Is.EqualTo(AccessDecision.Unauthenticated));
}
