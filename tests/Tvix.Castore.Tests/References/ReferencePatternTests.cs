using NUnit.Framework;
using Tvix.Castore.References;

namespace Tvix.Castore.Tests.References;

[TestFixture]
public sealed class ReferencePatternTests
{
    [Test]
    public void Create_Candidates_AreKeptInOrderAndCopied()
    {
        byte[] bytes = [1, 2, 3];
        ReferencePattern pattern = new([bytes, "zz"u8.ToArray(), bytes]);
        bytes[0] = 9;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(pattern.Count, Is.EqualTo(3));
            Assert.That(pattern.LongestLength, Is.EqualTo(3));
            Assert.That(pattern[0].ToArray(), Is.EqualTo(new byte[] { 1, 2, 3 }));
            Assert.That(pattern.Candidates.Select(c => c.Length), Is.EqualTo(new[] { 3, 2, 3 }));
        }
    }

    [Test]
    public void Create_None_IsAllowed()
    {
        ReferencePattern pattern = new([]);
        Assert.That((pattern.Count, pattern.LongestLength), Is.EqualTo((0, 0)));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(65_536)]
    public void Create_LengthOutOfRange_Throws(int length) =>
        Assert.That(
            () => new ReferencePattern([new byte[length]]), Throws.TypeOf<ArgumentException>().With.Message.Contains($"{length} bytes"));

    [Test]
    public void Create_LengthsAtTheBounds_AreAllowed()
    {
        byte[] longest = new byte[65_535];
        longest[^1] = 1;
        ReferenceScanner scanner = new(new ReferencePattern([new byte[2], longest]));
        scanner.Scan(longest.AsSpan(1));
        Assert.That((scanner.IsFound(0), scanner.IsFound(1)), Is.EqualTo((true, false)));
        scanner.Scan(longest);
        Assert.That(scanner.IsFound(1), Is.True);
    }

    [Test]
    public void Create_TooManyOrTooLongTogether_Throws()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => new ReferencePattern(Enumerable.Repeat<ReadOnlyMemory<byte>>(new byte[2], 65_536)),
                Throws.TypeOf<ArgumentException>());
            Assert.That(new ReferencePattern(Enumerable.Repeat<ReadOnlyMemory<byte>>(new byte[2], 65_535)).Count, Is.EqualTo(65_535));
            Assert.That(
                () => new ReferencePattern(Enumerable.Repeat<ReadOnlyMemory<byte>>(new byte[65_535], 257)),
                Throws.TypeOf<ArgumentException>());
        }
    }
}
