using System.Text;
using NUnit.Framework;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Model;

[TestFixture]
[TestOf(typeof(SymlinkTarget))]
public sealed class SymlinkTargetTests
{
    private static IEnumerable<byte[]> ValidTargets =>
        [.. new[] { "aa", "./..", "/a/b", "/", ".", "..", "a//b/", new string('X', 4095) }.Select(Encoding.UTF8.GetBytes), [0xff, 0xc5]];

    private static IEnumerable<TestCaseData> InvalidTargets =>
    [
        new(Array.Empty<byte>(), SymlinkTargetError.Empty),
        new(new string('X', 4096).Select(c => (byte)c).ToArray(), SymlinkTargetError.TooLong),
        new(new string('X', 5000).Select(c => (byte)c).ToArray(), SymlinkTargetError.TooLong),
        new(new byte[5000], SymlinkTargetError.TooLong),
        new("a\0"u8.ToArray(), SymlinkTargetError.ContainsNull),
    ];

    [TestCaseSource(nameof(ValidTargets))]
    public void Constructor_ValidBytes_KeepsThem(byte[] bytes)
    {
        SymlinkTarget target = new(bytes);
        Assert.That(target.Bytes.ToArray(), Is.EqualTo(bytes));
        Assert.That(target.Memory.ToArray(), Is.EqualTo(bytes));
        Assert.That(target.Length, Is.EqualTo(bytes.Length));
        Assert.That(target.IsDefault, Is.False);
        Assert.That(
            SymlinkTarget.TryCreate(bytes, out SymlinkTarget same) && same == target && same.GetHashCode() == target.GetHashCode(),
            Is.True);
    }

    [TestCaseSource(nameof(InvalidTargets))]
    public void Constructor_InvalidBytes_ThrowsAndSaysWhy(byte[] bytes, SymlinkTargetError error)
    {
        Assert.That(SymlinkTarget.Validate(bytes), Is.EqualTo(error));
        Assert.That(() => new SymlinkTarget(bytes), Throws.ArgumentException.With.Message.Contains(SymlinkTarget.Describe(error)));
        Assert.That(SymlinkTarget.TryCreate(bytes, out SymlinkTarget target), Is.False);
        Assert.That(target.IsDefault, Is.True);
    }

    [Test]
    public void Constructor_Text_IsUtf8()
    {
        Assert.That(new SymlinkTarget("Å").Bytes.ToArray(), Is.EqualTo(new byte[] { 0xc3, 0x85 }));
        Assert.That(() => new SymlinkTarget((string)null!), Throws.ArgumentNullException);
    }

    [Test]
    public void Equals_OtherBytes_IsFalse()
    {
        Assert.That(new SymlinkTarget("a") == new SymlinkTarget("b"), Is.False);
        Assert.That(new SymlinkTarget("a") != new SymlinkTarget("b"), Is.True);
        Assert.That(new SymlinkTarget("a").Equals((object)new SymlinkTarget("a")), Is.True);
    }
}
