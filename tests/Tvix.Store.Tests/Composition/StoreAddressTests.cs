using NUnit.Framework;
using Tvix.Castore.Local;
using Tvix.Store.Composition;

namespace Tvix.Store.Tests.Composition;

[TestFixture]
public sealed class StoreAddressTests
{
    [TestCase("local:/var/lib/x", "/var/lib/x")]
    [TestCase("local:///var/lib/x", "/var/lib/x")]
    [TestCase("local:./x", "./x")]
    [TestCase("local:/with%20space", "/with space")]
    [TestCase("local:/with%3Fmark", "/with?mark")]
    [TestCase("LOCAL:/x", "/x")]
    public void ParseLocal_Path_IsDecoded(string address, string path) =>
        Assert.That(StoreAddressResolver.ParseLocal(StoreAddress.Parse(address)).Path, Is.EqualTo(path));

    [Test]
    public void ParseLocal_Parameters_AreTaken()
    {
        LocalStoreOptions options = StoreAddressResolver.ParseLocal(StoreAddress.Parse("local:/x?compression=none&level=3&chunk-size=65536&durability=os"));
        Assert.That(options.Compression, Is.EqualTo(LocalCompression.None));
        Assert.That(options.CompressionLevel, Is.EqualTo(3));
        Assert.That(options.AverageChunkSize, Is.EqualTo(65536));
        Assert.That(options.Durability, Is.EqualTo(LocalDurability.OperatingSystem));
    }

    [TestCase("local:/x?compression=maybe", "compression=maybe")]
    [TestCase("local:/x?level=0", "CompressionLevel")]
    [TestCase("local:/x?chunk-size=1", "AverageChunkSize")]
    [TestCase("local://host/x", "needs a folder")]
    [TestCase("local:?level=1", "needs a folder")]
    public void ParseLocal_Bad_SaysWhat(string address, string what) =>
        Assert.That(() => StoreAddressResolver.ParseLocal(StoreAddress.Parse(address)), Throws.InstanceOf<FormatException>().With.Message.Contains(what));

    [TestCase("")]
    [TestCase(":x")]
    [TestCase("/just/a/path")]
    [TestCase("local:/x?level")]
    [TestCase("local:/x?level=1&level=2")]
    public void Parse_Bad_IsAFormatException(string address) => Assert.That(() => StoreAddress.Parse(address), Throws.InstanceOf<FormatException>());

    [Test]
    public void With_AnotherScheme_OpensIt()
    {
        StoreServices services = StoreAddressResolver.Default.Open(StoreAddress.Parse("memory:"));
        StoreAddressResolver resolver = StoreAddressResolver.Default.With("mine", address => address.Rest == "/here" ? services : throw new FormatException("no"));

        Assert.That(resolver.Open(StoreAddress.Parse("mine:/here")), Is.SameAs(services));
        Assert.That(() => StoreAddressResolver.Default.Open(StoreAddress.Parse("mine:/here")), Throws.InstanceOf<FormatException>().With.Message.Contains("cache, file, local, memory, nix+http, nix+https"));
    }
}
