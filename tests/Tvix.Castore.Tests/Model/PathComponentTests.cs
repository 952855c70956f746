using System.Text;
using NUnit.Framework;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Model;

[TestFixture]
[TestOf(typeof(PathComponent))]
public sealed class PathComponentTests
{
    private static IEnumerable<byte[]> ValidNames =>
    [
        [.. Enumerable.Repeat((byte)'X', 255)], "aa"u8.ToArray(), [0xc5, 0xc4, 0xd6], "..."u8.ToArray(), ".a"u8.ToArray(),
        "..a"u8.ToArray(), "a\\b:c\n\u007f"u8.ToArray(), [1], [0xff],
    ];

    private static IEnumerable<TestCaseData> InvalidNames =>
    [
        Invalid("", PathComponentError.Empty),
        Invalid("..", PathComponentError.ParentDirectory),
        Invalid(".", PathComponentError.CurrentDirectory),
        Invalid("a/b", PathComponentError.ContainsSlash),
        Invalid("/", PathComponentError.ContainsSlash),
        Invalid("a\0", PathComponentError.ContainsNull),
        Invalid("\0", PathComponentError.ContainsNull),
        Invalid("/\0", PathComponentError.ContainsNull),
        Invalid(new string('X', 256), PathComponentError.TooLong),
        Invalid(new string('X', 500), PathComponentError.TooLong),
        Invalid(new string('/', 256) + "\0", PathComponentError.TooLong),
    ];

    [TestCaseSource(nameof(ValidNames))]
    public void Constructor_ValidBytes_KeepsThem(byte[] bytes)
    {
        PathComponent name = new(bytes);
        Assert.That(name.Bytes.ToArray(), Is.EqualTo(bytes));
        Assert.That(name.Memory.ToArray(), Is.EqualTo(bytes));
        Assert.That(name.Length, Is.EqualTo(bytes.Length));
        Assert.That(name.IsDefault, Is.False);
        Assert.That(PathComponent.Validate(bytes), Is.EqualTo(PathComponentError.None));
        Assert.That(PathComponent.TryCreate(bytes, out PathComponent same) && same == name, Is.True);
    }

    [TestCaseSource(nameof(InvalidNames))]
    public void Constructor_InvalidBytes_ThrowsAndSaysWhy(byte[] bytes, PathComponentError error)
    {
        Assert.That(PathComponent.Validate(bytes), Is.EqualTo(error));
        Assert.That(() => new PathComponent(bytes), Throws.ArgumentException.With.Message.Contains(PathComponent.Describe(error)));
        Assert.That(PathComponent.TryCreate(bytes, out PathComponent name), Is.False);
        Assert.That(name.IsDefault, Is.True);
    }

    [Test]
    public void Constructor_Text_IsUtf8()
    {
        Assert.That(new PathComponent("Å").Bytes.ToArray(), Is.EqualTo(new byte[] { 0xc3, 0x85 }));
        Assert.That(() => new PathComponent((string)null!), Throws.ArgumentNullException);
        Assert.That(() => new PathComponent("a/b"), Throws.ArgumentException);
    }

    [Test]
    public void Constructor_ArrayChangedLater_KeepsItsOwnBytes()
    {
        byte[] bytes = "abc"u8.ToArray();
        PathComponent name = new(bytes);
        bytes[0] = (byte)'x';
        Assert.That(name.ToString(), Is.EqualTo("abc"));
    }

    [Test]
    public void CompareTo_KnownNames_PutsPrefixesFirst()
    {
        string[] sorted = [".keep", "a", "a'", "aa", "ab", "keep"];
        PathComponent[] names = [.. sorted.Reverse().Select(text => new PathComponent(text))];
        Array.Sort(names);
        Assert.That(names.Select(name => name.ToString()), Is.EqualTo(sorted));
        Assert.That(new PathComponent([0x7f]) < new PathComponent([0x80]), Is.True, "bytes are unsigned");
    }

    [TestCase("foo", null)]
    [TestCase("foo.txt", "txt")]
    [TestCase("foo.tar.gz", "gz")]
    [TestCase(".keep", "keep")]
    [TestCase("foo.", "")]
    public void TryGetExtension_Name_GivesWhatFollowsTheLastDot(string text, string? expected)
    {
        bool found = new PathComponent(text).TryGetExtension(out ReadOnlySpan<byte> extension);
        Assert.That(found ? Encoding.UTF8.GetString(extension) : null, Is.EqualTo(expected));
    }

    [TestCase("", "")]
    [TestCase("plain ä", "plain ä")]
    [TestCase("a\\b\n", "a\\x5cb\\x0a")]
    public void ToString_ForPeople_EscapesWhatIsNotText(string text, string expected) =>
        Assert.That((text.Length == 0 ? default : new PathComponent(text)).ToString(), Is.EqualTo(expected));

    [Test]
    public void ToString_NotUtf8_EscapesTheBytes() =>
        Assert.That(new PathComponent([0xc5, (byte)'a', 0xff]).ToString(), Is.EqualTo("\\xc5a\\xff"));

    [FsCheck.NUnit.Property(Arbitrary = [typeof(ModelGenerators)], Replay = ModelGenerators.Replay, MaxTest = 500)]
    public bool Compare_IsTheOrderOfTheBytes(PathComponent a, PathComponent b)
    {
        int order = Math.Sign(a.Bytes.SequenceCompareTo(b.Bytes));
        return Math.Sign(a.CompareTo(b)) == order
            && (a == b) == (order == 0) && (a != b) == (order != 0) && a.Equals((object)b) == (order == 0)
            && (a < b) == (order < 0) && (a <= b) == (order <= 0) && (a > b) == (order > 0) && (a >= b) == (order >= 0)
            && (order != 0 || a.GetHashCode() == b.GetHashCode());
    }

    private static TestCaseData Invalid(string text, PathComponentError error) => new(Encoding.UTF8.GetBytes(text), error);
}
