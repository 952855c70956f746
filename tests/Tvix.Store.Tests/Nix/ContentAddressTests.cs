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

    [TestCase("08813cbee9903c62be4c5027726a418a300da4500b2d369d3af9286f4815ceba")]
    [TestCase("1fnf2m46ya7r7afkcb8ba2j0sc4a85m749sh9jz64g4hx6z3r088")]
    [TestCase("CIE8vumQPGK+TFAncmpBijANpFALLTadOvkob0gVzro=")]
    public void FromDerivationOutput_AnyEncoding_GivesTheSameAddress(string hash)
    {
        NixHash expected = new(NixHashAlgorithm.Sha256, Convert.FromHexString("08813cbee9903c62be4c5027726a418a300da4500b2d369d3af9286f4815ceba"));

        Assert.That(ContentAddress.FromDerivationOutput(hash, "sha256"), Is.EqualTo(ContentAddress.Flat(expected)));
        Assert.That(ContentAddress.FromDerivationOutput(hash, "r:sha256"), Is.EqualTo(ContentAddress.Nar(expected)));
    }

    [Test]
    public void FromDerivationOutput_NeitherKey_IsNone() => Assert.That(ContentAddress.FromDerivationOutput(null, null), Is.Null);

    [TestCase(null, "sha256")]
    [TestCase("1fnf2m46ya7r7afkcb8ba2j0sc4a85m749sh9jz64g4hx6z3r088", null)]
    [TestCase("1fnf2m46ya7r7afkcb8ba2j0sc4a85m749sh9jz64g4hx6z3r088", "text")]
    [TestCase("1fnf2m46ya7r7afkcb8ba2j0sc4a85m749sh9jz64g4hx6z3r088", "r:blake3")]
    [TestCase("1fnf2m46ya7r7afkcb8ba2j0sc4a85m749sh9jz64g4hx6z3r088", "sha512")]
    public void FromDerivationOutput_OneKeyOrABadOne_IsAFormatException(string? hash, string? hashAlgo) =>
        Assert.That(() => ContentAddress.FromDerivationOutput(hash, hashAlgo), Throws.InstanceOf<FormatException>());

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
