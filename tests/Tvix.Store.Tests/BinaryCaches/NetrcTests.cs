using System.Net;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.BinaryCaches;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.BinaryCaches;

[TestFixture]
public sealed class NetrcTests
{
    [TestCase("machine a.example login me password secret", "me", "secret")]
    [TestCase("machine\ta.example\n  login me\r\n\tpassword secret\n", "me", "secret")]
    [TestCase("machine a.example password secret login me", "me", "secret")]
    [TestCase("machine a.example password secret", "", "secret")]
    [TestCase("machine a.example login me", "me", "")]
    [TestCase("machine a.example account x login me account y password secret", "me", "secret")]
    [TestCase("machine a.example login \"m e\" password \"sec ret\"", "m e", "sec ret")]
    [TestCase("machine a.example login me password \"\"", "me", "")]
    [TestCase("# machine a.example login x password y\nmachine a.example login me password secret # mine\n", "me", "secret")]
    [TestCase("machine A.Example login me password secret", "me", "secret")]
    [TestCase("machine a.example login me password secret\nmachine a.example login other password else", "me", "secret")]
    [TestCase("machine b.example login x password y machine a.example login me password secret", "me", "secret")]
    [TestCase("macdef init\n machine a.example login x password y\n\nmachine a.example login me password secret", "me", "secret")]
    [TestCase("machine a.example login me password secret macdef run\nls\n\ndefault login x password y", "me", "secret")]
    [TestCase("default login me password secret", "me", "secret")]
    [TestCase("default login x password y\nmachine a.example login me password secret", "me", "secret")]
    [TestCase("machine a.example login machine password default", "machine", "default")]
    public void Find_OfAServer_IsItsEntry(string text, string user, string password)
    {
        NetworkCredential? found = Netrc.Parse(text).Find("a.example");
        Assert.That((found?.UserName, found?.Password), Is.EqualTo((user, password)));
    }

    [TestCase("")]
    [TestCase("\n\n# nothing\n")]
    [TestCase("machine b.example login me password secret")]
    [TestCase("machine a.example.org login me password secret")]
    [TestCase("macdef init\nmachine a.example login me password secret")]
    public void Find_OfAnotherServer_IsNull(string text) => Assert.That(Netrc.Parse(text).Find("a.example"), Is.Null);

    [Test]
    public void FindNamed_LeavesOutWhatIsForAll()
    {
        Netrc netrc = Netrc.Parse("machine a.example login me password secret\ndefault login x password y");
        Assert.That(netrc.FindNamed("a.example")?.Password, Is.EqualTo("secret"));
        Assert.That(netrc.FindNamed("b.example"), Is.Null);
        Assert.That(netrc.Find("b.example")?.Password, Is.EqualTo("y"));
    }

    [TestCase("secret-word")]
    [TestCase("login me password secret-word")]
    [TestCase("machine a.example login me password secret-word more")]
    [TestCase("machine")]
    [TestCase("machine a.example login")]
    [TestCase("machine a.example password")]
    [TestCase("machine a.example password \"secret-word")]
    public void Parse_OfSomethingElse_FailsWithoutShowingIt(string text) =>
        Assert.That(() => Netrc.Parse(text), Throws.TypeOf<FormatException>().With.Message.Not.Contains("secret-word"));

    [Test]
    public async Task Read_OfAFile_IsItsText()
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["netrc"], "machine a.example login me password secret");
        Assert.That(Netrc.Read(folder["netrc"]).Find("a.example")?.Password, Is.EqualTo("secret"));
        Assert.That(() => Netrc.Read(folder["none"]), Throws.TypeOf<StorageException>());
        await File.WriteAllTextAsync(folder["bad"], "hello");
        Assert.That(() => Netrc.Read(folder["bad"]), Throws.TypeOf<StorageException>().With.Message.Contains("is none"));
        await File.WriteAllTextAsync(folder["long"], new string(' ', (1 << 20) + 1));
        Assert.That(() => Netrc.Read(folder["long"]), Throws.TypeOf<StorageException>().With.Message.Contains("more than"));
    }
}
