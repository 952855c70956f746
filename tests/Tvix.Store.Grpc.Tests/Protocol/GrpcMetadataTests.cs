using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Tests.Protocol;

[TestFixture]
public sealed class GrpcMetadataTests
{
    [Test]
    public void Add_TextAndBytes_AreFoundAgain()
    {
        GrpcMetadata metadata = new();
        metadata.Add("key", "first");
        metadata.Add("key", "last one");
        metadata.Add("bytes-bin", [0, 1, 255, 62]);
        Assert.That(metadata.GetText("key"), Is.EqualTo("last one"));
        Assert.That(metadata.GetBytes("bytes-bin"), Is.EqualTo(new byte[] { 0, 1, 255, 62 }));
        Assert.That(metadata.GetText("other"), Is.Null);
        Assert.That(metadata.GetBytes("other-bin"), Is.Null);
        Assert.That(metadata.Select(entry => entry.Key), Is.EqualTo(new[] { "key", "key", "bytes-bin" }));
    }

    [TestCase("Key")]
    [TestCase("")]
    [TestCase("a key")]
    [TestCase(":path")]
    [TestCase("grpc-status")]
    [TestCase("content-type")]
    [TestCase("te")]
    [TestCase("bytes-bin")]
    public void Add_TextWithABadKey_Throws(string key) => Assert.That(() => new GrpcMetadata().Add(key, "value"), Throws.InstanceOf<ArgumentException>());

    [TestCase("line\nend")]
    [TestCase("ä")]
    [TestCase("\0")]
    public void Add_TextThatIsNotPrintable_Throws(string value) => Assert.That(() => new GrpcMetadata().Add("key", value), Throws.ArgumentException);

    [Test]
    public void Add_BytesWithoutTheSuffix_Throws() => Assert.That(() => new GrpcMetadata().Add("key", [1]), Throws.ArgumentException);

    [TestCase("AAE", new byte[] { 0, 1 })]
    [TestCase("AAE=", new byte[] { 0, 1 })]
    [TestCase("/w==,AAE=", new byte[] { 0, 1 })]
    [TestCase("", new byte[0])]
    [TestCase("no base64", null)]
    public void GetBytes_Received_TakesPaddedUnpaddedAndJoined(string value, byte[]? expected)
    {
        GrpcMetadata metadata = new();
        metadata.AddReceived("Some-Bin", value);
        Assert.That(metadata.GetBytes("some-bin"), Is.EqualTo(expected));
    }

    [Test]
    public void AddReceived_OfTheProtocol_IsLeftOut()
    {
        GrpcMetadata metadata = new();
        metadata.AddReceived("grpc-status", "0");
        metadata.AddReceived(":path", "/");
        metadata.AddReceived("Content-Type", "application/grpc");
        Assert.That(metadata, Is.Empty);
    }
}
