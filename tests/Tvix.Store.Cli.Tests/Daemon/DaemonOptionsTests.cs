using System.Net;
using NUnit.Framework;
using Tvix.Store.Cli.Daemon;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>The command line of daemons.</summary>
[TestFixture]
public sealed class DaemonOptionsTests : ToolFixture
{
    [TestCase("--listen", "localhost:8000")]
    [TestCase("--listen", "8000")]
    [TestCase("--http", "localhost:8080")]
    [TestCase("--http-key", "x")]
    [TestCase("--http-uploads", "x")]
    [TestCase("--http-nar-compression", "zstd")]
    [TestCase("--http", "127.0.0.1:0", "--http-nar-compression", "xz")]
    [TestCase("--http-files", "x")]
    [TestCase("--http-no-pages")]
    [TestCase("--public-read")]
    [TestCase("--tls-key", "x")]
    [TestCase("--tls-certificate", "x")]
    [TestCase("--unix-listen-mode", "999")]
    [TestCase("--unix-listen-mode", "1777")]
    [TestCase("--unix-listen-mode", "60")]
    [TestCase("--unix-listen-chmod", "nobody")]
    [TestCase("--unix-listen-chmod", "owner", "--unix-listen-mode", "600")]
    [TestCase("--max-connections", "0")]
    [TestCase("--max-concurrent-calls", "-1")]
    [TestCase("--max-streams-per-connection", "many")]
    [TestCase("--drain-timeout", "-1")]
    [TestCase("--drain-timeout", "NaN")]
    [TestCase("--log-level", "loud")]
    [TestCase("--log-format", "xml")]
    [TestCase("--otlp", "nowhere")]
    [TestCase("bogus")]
    public async Task Daemon_WrongOption_IsRefused(params string[] arguments)
    {
        await FailAsync(ExitCode.BadCommandLine, ["daemon", .. arguments]);
        Assert.That(Directory.Exists(At("store")), Is.False);
    }

    [TestCase("tokens", "read short\n", "Line 1")]
    [TestCase("nothing", null, "nothing")]
    public async Task Daemon_TokensThatCannotBeUsed_IsAFailure(string name, string? text, string expected)
    {
        if (text is not null)
        {
            File.WriteAllText(At(name), text);
        }

        string error = await FailAsync(ExitCode.Failure, "daemon", "--tokens", At(name));
        Assert.That(error, Does.Contain(expected).And.Not.Contain("short"));
    }

    [TestCase("1.2.3.4:80", "1.2.3.4", 80)]
    [TestCase("127.0.0.1:0", "127.0.0.1", 0)]
    [TestCase("[::]:8000", "::", 8000)]
    [TestCase("[::1]:65535", "::1", 65535)]
    public void Parse_Tcp_IsAnEndPoint(string text, string address, int port) =>
        Assert.That(((ListenAddress.Tcp)ListenAddress.Parse(text)).EndPoint, Is.EqualTo(new IPEndPoint(IPAddress.Parse(address), port)));

    [TestCase("/run/x", "/run/x")]
    [TestCase("unix:/run/x", "/run/x")]
    [TestCase("/run/../x", "/x")]
    public void Parse_Path_IsASocketsFile(string text, string path) => Assert.That(((ListenAddress.Unix)ListenAddress.Parse(text)).Path, Is.EqualTo(path));

    [TestCase("./x")]
    [TestCase("unix:x")]
    public void Parse_RelativePath_IsBelowTheCurrentFolder(string text) =>
        Assert.That(((ListenAddress.Unix)ListenAddress.Parse(text)).Path, Is.EqualTo(Path.Combine(Environment.CurrentDirectory, "x")));

    [Test]
    public void Parse_Abstract_HasTheName() => Assert.That(((ListenAddress.Abstract)ListenAddress.Parse("@x/y")).Name, Is.EqualTo("@x/y"));

    [TestCase("sd-listen", null, false)]
    [TestCase("SD_Listen", null, false)]
    [TestCase("sd-listen-unix", null, false)]
    [TestCase("sd_listen_unix", null, false)]
    [TestCase("sd-listen:web", "web", false)]
    [TestCase("sd-listen:Web_1", "Web_1", false)]
    [TestCase("sd-listen:*", null, true)]
    public void Parse_Passed_SaysWhich(string text, string? name, bool all) => Assert.That(ListenAddress.Parse(text), Is.EqualTo(new ListenAddress.Passed(name, all)));

    [TestCase("")]
    [TestCase("x")]
    [TestCase("@")]
    [TestCase("unix:")]
    [TestCase("sd-listen:")]
    [TestCase("sd-listening")]
    [TestCase("host:80")]
    [TestCase("1.2.3.4")]
    [TestCase("1.2.3.4:")]
    [TestCase("1.2.3.4:65536")]
    [TestCase("1.2.3.4:-1")]
    [TestCase("[1.2.3.4]:80")]
    [TestCase("::1:80")]
    [TestCase("[::1]")]
    public void Parse_OtherText_IsRefused(string text) => Assert.Throws<FormatException>(() => ListenAddress.Parse(text));

    [Test]
    public void Parse_PathThatIsTooLong_IsRefused() =>
        Assert.That(Assert.Throws<FormatException>(() => ListenAddress.Parse("/" + new string('x', 200)))!.Message, Does.Contain("too long"));

    [TestCase("sd-listen", new[] { 3 })]
    [TestCase("sd-listen:*", new[] { 3, 4, 5 })]
    [TestCase("sd-listen:b", new[] { 4 })]
    public void Find_Passed_GivesDescriptors(string address, int[] expected) => Assert.That(Find(address, "7", "3", "a:b:c:d"), Is.EqualTo(expected));

    [TestCase("sd-listen", null, "1", null)]
    [TestCase("sd-listen", "8", "1", null)]
    [TestCase("sd-listen", "7", null, null)]
    [TestCase("sd-listen", "7", "0", null)]
    [TestCase("sd-listen:*", "7", "4096", null)]
    [TestCase("sd-listen:x", "7", "1", null)]
    [TestCase("sd-listen:d", "7", "3", "a:b:c:d")]
    public void Find_NothingPassed_IsRefused(string address, string? pid, string? count, string? names) =>
        Assert.That(Assert.Throws<ToolException>(() => Find(address, pid, count, names))!.ExitCode, Is.EqualTo(ExitCode.BadCommandLine));

    private static IReadOnlyList<int> Find(string address, string? pid, string? count, string? names) => PassedSockets.Find(
        (ListenAddress.Passed)ListenAddress.Parse(address),
        name => name switch { "LISTEN_PID" => pid, "LISTEN_FDS" => count, "LISTEN_FDNAMES" => names, _ => null },
        7);
}
