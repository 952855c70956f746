using FsCheck;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Tests.Protocol;

[TestFixture]
public sealed class GrpcMessageTests
{
    [TestCase("plain text", "plain text")]
    [TestCase("100%", "100%25")]
    [TestCase("line\nend\t", "line%0Aend%09")]
    [TestCase("ä€😀", "%C3%A4%E2%82%AC%F0%9F%98%80")]
    [TestCase("", "")]
    public void Encode_Text_IsPercentEncodedUtf8(string text, string encoded)
    {
        Assert.That(GrpcMessage.Encode(text), Is.EqualTo(encoded));
        Assert.That(GrpcMessage.Decode(encoded), Is.EqualTo(text));
    }

    [TestCase("50% off", "50% off")]
    [TestCase("%", "%")]
    [TestCase("%4", "%4")]
    [TestCase("%zz%41", "%zzA")]
    [TestCase("%ff", "�")]
    public void Decode_NoEscape_StaysAsItIs(string encoded, string text) => Assert.That(GrpcMessage.Decode(encoded), Is.EqualTo(text));

    [Test]
    public void Encode_LongText_IsCut() => Assert.That(GrpcMessage.Encode(new string('x', 1_000_000)), Has.Length.EqualTo(4096));

    [FsCheck.NUnit.Property(MaxTest = 500, Replay = "(11,13)")]
    public bool Decode_OfWhatWasEncoded_IsTheText(NonNull<string> text)
    {
        // Surrogates that stand alone are no text.
        string valid = System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text.Get));
        string encoded = GrpcMessage.Encode(valid);
        return encoded.All(c => c is >= ' ' and <= '~') && GrpcMessage.Decode(encoded) == valid;
    }
}
