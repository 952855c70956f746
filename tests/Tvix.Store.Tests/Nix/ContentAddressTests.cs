using System.Text;
using NUnit.Framework;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.Nix;

[TestFixture]
public sealed class ContentAddressTests
{
    [TestCase(
        "fixed:r:sha1:1ak1ymbmsfx7z8kh09jzkr3a4dvkrfjw",
        ContentAddressKind.Nar,
        NixHashAlgorithm.Sha1,
        "5cba3c77236ae4f9650270a27fbad375551fa60a")]
    [TestCase(
        "text:sha256:1fcgpy7vc4ammr7s17j2xq88scswkgz23dqzc04g8sx5vcp2pppw",
        ContentAddressKind.Text,
        NixHashAlgorithm.Sha256,
        "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9")]
    [TestCase("fixed:md5:7ja4nlylpnardy84vm98civd9p", ContentAddressKind.Flat, NixHashAlgorithm.Md5, "37b51d194a7513e45b56f6524f2d51f2")]
    [TestCase(
        "fixed:r:sha256:1xngcmsdkdvaycaqjfzvq4gr3gib56p2l8illglnsqzhpss47pxz",
        ContentAddressKind.Nar,
        NixHashAlgorithm.Sha256,
        "bfdf43b4bef0636de9a334222aae292bbe911fc1fb3b8915f36ab7d97465cff6")]
    public void Parse_Vector_GivesItAndBack(string text, ContentAddressKind kind, NixHashAlgorithm algorithm, string hex)
    {
        ContentAddress address = ContentAddress.Parse(text);

        Assert.That(address, Is.EqualTo(new ContentAddress(kind, new NixHash(algorithm, Convert.FromHexString(hex)))));
        Assert.That(address.ToString(), Is.EqualTo(text));
    }

    [Test]
    public void Parse_OfTextOfAnyCombination_IsIdentity([Values] ContentAddressKind kind, [Values] NixHashAlgorithm algorithm)
    {
        NixHash hash = NixHash.Compute(algorithm, "x"u8);
        if (kind == ContentAddressKind.Text && algorithm != NixHashAlgorithm.Sha256)
        {
            Assert.That(() => new ContentAddress(kind, hash), Throws.ArgumentException);
            return;
        }

        ContentAddress address = new(kind, hash);

        Assert.That(ContentAddress.Parse(address.ToString()), Is.EqualTo(address));
    }

    [TestCase("")]
    [TestCase("foo")]
    [TestCase("text")]
    [TestCase("text:1fcgpy7vc4ammr7s17j2xq88scswkgz23dqzc04g8sx5vcp2pppw")]
    [TestCase("text:md5:7ja4nlylpnardy84vm98civd9p")]
    [TestCase("text:r:sha256:1fcgpy7vc4ammr7s17j2xq88scswkgz23dqzc04g8sx5vcp2pppw")]
    [TestCase("fixed:sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")]
    [TestCase("fixed:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [TestCase("fixed:sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")]
    [TestCase("fixed:git:sha1:1ak1ymbmsfx7z8kh09jzkr3a4dvkrfjw")]
    [TestCase("fixed:r:r:sha1:1ak1ymbmsfx7z8kh09jzkr3a4dvkrfjw")]
    [TestCase("fixed:sha384:1ak1ymbmsfx7z8kh09jzkr3a4dvkrfjw")]
    [TestCase("fixed:sha1:1ak1ymbmsfx7z8kh09jzkr3a4dvkrfj")]
    [TestCase("fixed:sha1:1ak1ymbmsfx7z8kh09jzkr3a4dvkrfjw ")]
    public void Parse_Malformed_Throws(string text)
    {
        Assert.That(ContentAddress.TryParse(Encoding.UTF8.GetBytes(text), out ContentAddress? address), Is.False);
        Assert.That(address, Is.Null);
        Assert.That(() => ContentAddress.Parse(text), Throws.TypeOf<FormatException>());
    }
}
