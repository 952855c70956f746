using NUnit.Framework;

namespace Tvix.Store.Cli.Tests;

[TestFixture]
public sealed class FormattingTests
{
    [TestCase(0, "0 B")]
    [TestCase(1023, "1023 B")]
    [TestCase(1024, "1.0 KiB")]
    [TestCase(1536, "1.5 KiB")]
    [TestCase(1L << 40, "1.0 TiB")]
    [TestCase(long.MaxValue, "8.0 EiB")]
    public void ByteSize_Format_ChoosesTheUnit(long bytes, string expected) => Assert.That(ByteSize.Format(bytes), Is.EqualTo(expected));

    [TestCase("plain ä 日本", "plain ä 日本")]
    [TestCase("a\nb\u001b\\", "a\\x0ab\\x1b\\x5c")]
    public void VisibleText_Of_EscapesWhatTerminalsObey(string text, string expected) =>
        Assert.That(VisibleText.Of(System.Text.Encoding.UTF8.GetBytes(text)), Is.EqualTo(expected));

    [Test]
    public void VisibleText_OfOtherBytes_EscapesThem() => Assert.That(VisibleText.Of([0x61, 0xff, 0xc3]), Is.EqualTo("a\\xff\\xc3"));
}
