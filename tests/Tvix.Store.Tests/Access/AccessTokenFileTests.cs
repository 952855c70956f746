using NUnit.Framework;
using Tvix.Store.Access;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Access;

[TestFixture]
public sealed class AccessTokenFileTests
{
    private const string Token = "reader-0123456789";
    private TempFolder _folder = null!;
    private string _path = null!;

    [SetUp]
    public void MakeFile()
    {
        _folder = new TempFolder();
        _path = _folder["tokens"];
        File.WriteAllText(_path, $"read {Token}\n");
    }

    [TearDown]
    public void RemoveFile() => _folder.Dispose();

    [Test]
    public void Reload_ChangedFile_TakesTheNewTokens()
    {
        AccessTokenFile file = new(_path);
        AccessTokens before = file.Current;
        File.WriteAllText(_path, "write writer-0123456789\n");
        Assert.That(file.Current, Is.SameAs(before));
        file.Reload();
        Assert.That(file.Current.Find(Token), Is.Null);
        Assert.That(file.Current.Find("writer-0123456789")!.Access, Is.EqualTo(StoreAccess.Write));
    }

    [Test]
    public void Reload_BrokenOrMissingFile_KeepsTheTokens()
    {
        AccessTokenFile file = new(_path);
        File.WriteAllText(_path, "read secret\n");
        FormatException e = Assert.Throws<FormatException>(file.Reload)!;
        Assert.That(e.Message, Does.Contain(_path).And.Contain("Line 1").And.Not.Contain("secret"));
        File.Delete(_path);
        Assert.Throws<FileNotFoundException>(file.Reload);
        Assert.That(file.Current.Find(Token), Is.Not.Null);
    }

    [Test]
    public void New_TooLong_IsRefused()
    {
        File.WriteAllBytes(_path, new byte[(1 << 20) + 1]);
        Assert.That(Assert.Throws<FormatException>(() => _ = new AccessTokenFile(_path))!.Message, Does.Contain("longer than"));
        File.WriteAllText(_path, new string('\n', 1 << 20));
        Assert.That(new AccessTokenFile(_path).Current.Count, Is.Zero);
    }

    [TestCase(UnixFileMode.UserRead | UnixFileMode.GroupRead, false)]
    [TestCase(UnixFileMode.UserRead | UnixFileMode.OtherRead, true)]
    public void IsWorldReadable_Mode_IsTold(UnixFileMode mode, bool expected)
    {
        File.SetUnixFileMode(_path, mode);
        Assert.That(new AccessTokenFile(_path).IsWorldReadable, Is.EqualTo(expected));
    }
}
