using System.Text;
using NUnit.Framework;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Model;

[TestFixture]
[TestOf(typeof(CastorePath))]
public sealed class CastorePathTests
{
    [TestCase("", 0)]
    [TestCase("a", 1)]
    [TestCase("a/b", 2)]
    [TestCase("C:\\a/b", 2)]
    [TestCase(".../..a/.b", 3)]
    public void Parse_ValidPath_HasItsComponents(string text, int count)
    {
        CastorePath path = CastorePath.Parse(text);
        Assert.That(path.Components.Count(), Is.EqualTo(count));
        Assert.That(string.Join('/', path.Components.Select(name => Encoding.UTF8.GetString(name.Bytes))), Is.EqualTo(text));
        Assert.That(Encoding.UTF8.GetString(path.Bytes), Is.EqualTo(text));
        Assert.That(path.IsRoot, Is.EqualTo(count == 0));
        Assert.That(path == CastorePath.Root, Is.EqualTo(count == 0));
    }

    [TestCase("/a/b")]
    [TestCase("/")]
    [TestCase("a/b//c/d")]
    [TestCase("a/b/")]
    [TestCase(".")]
    [TestCase("..")]
    [TestCase("../a")]
    [TestCase("a/./b")]
    [TestCase("a/b/..")]
    [TestCase("fo\0o")]
    public void Parse_InvalidPath_Throws(string text)
    {
        Assert.That(() => CastorePath.Parse(text), Throws.InstanceOf<FormatException>());
        Assert.That(CastorePath.TryParse(Encoding.UTF8.GetBytes(text), out CastorePath path), Is.False);
        Assert.That(path.IsRoot, Is.True);
    }

    [Test]
    public void Parse_LongName_Throws()
    {
        Assert.That(CastorePath.Parse("a/" + new string('X', 255)).Components.Last().Length, Is.EqualTo(255));
        Assert.That(() => CastorePath.Parse("a/" + new string('X', 256)), Throws.InstanceOf<FormatException>());
    }

    [Test]
    public void Parse_Null_Throws() => Assert.That(() => CastorePath.Parse((string)null!), Throws.ArgumentNullException);

    [Test]
    public void Parse_NotUtf8_KeepsTheBytes()
    {
        byte[] bytes = [0xff, (byte)'/', 0xc5];
        Assert.That(CastorePath.Parse(bytes).Bytes.ToArray(), Is.EqualTo(bytes));
        Assert.That(CastorePath.Parse(bytes).ToString(), Is.EqualTo("\\xff/\\xc5"));
    }

    [TestCase("", null, null)]
    [TestCase("foo", "", "foo")]
    [TestCase("foo/bar/baz", "foo/bar", "baz")]
    public void Parent_AndFileName_SplitAtTheLastSlash(string text, string? parent, string? fileName)
    {
        CastorePath path = CastorePath.Parse(text);
        Assert.That(path.Parent?.ToString(), Is.EqualTo(parent));
        Assert.That(path.FileName?.ToString(), Is.EqualTo(fileName));
    }

    [Test]
    public void FileName_ExtensionOfTheLastComponentOnly()
    {
        Assert.That(CastorePath.Parse("foo.a/foo").FileName!.Value.TryGetExtension(out _), Is.False);
        Assert.That(CastorePath.Parse("foo/b.txt").FileName!.Value.TryGetExtension(out ReadOnlySpan<byte> extension), Is.True);
        Assert.That(extension.ToArray(), Is.EqualTo("txt"u8.ToArray()));
    }

    [Test]
    public void Append_Name_PutsASlashExceptAtTheRoot()
    {
        Assert.That(CastorePath.Parse("a").Append(new PathComponent("b")), Is.EqualTo(CastorePath.Parse("a/b")));
        Assert.That(CastorePath.Root.Append(new PathComponent("b")), Is.EqualTo(CastorePath.Parse("b")));
        Assert.That(() => CastorePath.Root.Append(default), Throws.ArgumentException);
    }

    [TestCase("", false, "")]
    [TestCase(".", false, "")]
    [TestCase("a/b", false, "a/b")]
    [TestCase("a//b", false, "a/b")]
    [TestCase("./a/b", false, "a/b")]
    [TestCase("a/b/", false, "a/b")]
    [TestCase("a/./b/.", false, "a/b")]
    [TestCase("a/..", true, "")]
    [TestCase("a/b/../c", true, "a/c")]
    [TestCase("a/b/../../c/", true, "c")]
    public void FromHostPath_RelativePath_IsNormalised(string hostPath, bool resolveParents, string expected) =>
        Assert.That(CastorePath.FromHostPath(Encoding.UTF8.GetBytes(hostPath), resolveParents), Is.EqualTo(CastorePath.Parse(expected)));

    [TestCase("/", false)]
    [TestCase("/", true)]
    [TestCase("//a", false)]
    [TestCase("/a/b", true)]
    [TestCase("..", true)]
    [TestCase("..", false)]
    [TestCase("a/../..", true)]
    [TestCase("a/..", false)]
    [TestCase("a/b\0", true)]
    public void FromHostPath_OtherPath_Throws(string hostPath, bool resolveParents) =>
        Assert.That(() => CastorePath.FromHostPath(Encoding.UTF8.GetBytes(hostPath), resolveParents), Throws.InstanceOf<FormatException>());

    [Test]
    public void FromHostPath_LongName_Throws() =>
        Assert.That(() => CastorePath.FromHostPath(Encoding.UTF8.GetBytes(new string('X', 256))), Throws.InstanceOf<FormatException>());

    [Test]
    public void Compare_Paths_IsTheOrderOfTheBytes()
    {
        CastorePath a = CastorePath.Parse("a"), ab = CastorePath.Parse("a/b"), same = CastorePath.Parse("a");
        Assert.That(a.CompareTo(ab), Is.Negative);
        Assert.That(ab.CompareTo(a), Is.Positive);
        Assert.That(a == same && a.Equals((object)same) && a.GetHashCode() == same.GetHashCode() && a != ab, Is.True);
    }
}
