using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>Who may use daemons, and how connections are protected.</summary>
[TestFixture]
public sealed class AccessTests : DaemonFixture
{
    private const string Reader = "reader-secret-0123456789";
    private const string Writer = "writer-secret-0123456789";
    private const string Later = "later-secret-0123456789";

    [TestCase(false)]
    [TestCase(true)]
    public async Task Daemon_WithTokens_AsksForThem(bool publicRead)
    {
        File.WriteAllText(At("tokens"), $"read {Reader} r\nwrite {Writer} w\n");
        string[] options = publicRead ? ["--public-read"] : [];
        await using DaemonProcess daemon = await StartOnTcpAsync(["--tokens", At("tokens"), "--log-level", "trace", .. options]);
        string address = await daemon.AddressAsync();
        GrpcStatusCode free = publicRead ? GrpcStatusCode.NotFound : GrpcStatusCode.Unauthenticated;
        foreach ((string? token, GrpcStatusCode stat, GrpcStatusCode put) in new (string?, GrpcStatusCode, GrpcStatusCode)[]
        {
            (null, free, GrpcStatusCode.Unauthenticated),
            (Later, GrpcStatusCode.Unauthenticated, GrpcStatusCode.Unauthenticated),
            (Reader, GrpcStatusCode.NotFound, GrpcStatusCode.PermissionDenied),
            (Writer, GrpcStatusCode.NotFound, GrpcStatusCode.Ok),
        })
        {
            using GrpcChannel channel = DaemonProcess.Connect(address, token);
            Assert.That(await StoreCalls.StatAsync(channel, NoDigest), Is.EqualTo(stat), token);
            Assert.That(await StoreCalls.StatusAsync(channel, StoreCalls.PutBlob, StoreCalls.Field(Contents)), Is.EqualTo(put), token);
        }

        await daemon.StopAsync();
        Assert.That(daemon.Log, Does.Contain("token w").And.Contains("token r"));
        Assert.That(daemon.Log, Does.Not.Contain("secret"));
    }

    [Test]
    public async Task Hangup_ChangedTokens_TakesThemUnlessTheyAreBroken()
    {
        File.WriteAllText(At("tokens"), $"write {Writer}\n");
        File.SetUnixFileMode(At("tokens"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using DaemonProcess daemon = await StartOnTcpAsync("--tokens", At("tokens"));
        string address = await daemon.AddressAsync();
        await UseAsync(address, Writer);
        Assert.That(daemon.Log, Does.Not.Contain("Everybody on this machine"));

        File.WriteAllText(At("tokens"), "nonsense-secret\n");
        daemon.Signal(DaemonProcess.Hangup);
        await daemon.WaitForAsync("Reading again failed");
        await UseAsync(address, Writer);

        File.WriteAllText(At("tokens"), $"write {Later}\n");
        daemon.Signal(DaemonProcess.Hangup);
        await daemon.WaitForAsync("were read again");
        await UseAsync(address, Later);
        using GrpcChannel channel = DaemonProcess.Connect(address, Writer);
        Assert.That(await StoreCalls.StatAsync(channel, NoDigest), Is.EqualTo(GrpcStatusCode.Unauthenticated));
        await daemon.StopAsync();
        Assert.That(daemon.Log, Does.Not.Contain("secret"));
    }

    [Test]
    public async Task Daemon_TokensForAllToRead_Warns()
    {
        File.WriteAllText(At("tokens"), $"write {Writer}\n");
        File.SetUnixFileMode(At("tokens"), UnixFileMode.UserRead | UnixFileMode.OtherRead);
        await using DaemonProcess daemon = await StartOnTcpAsync("--tokens", At("tokens"));
        Assert.That(daemon.Log, Does.Contain($"Everybody on this machine can read the tokens in '{At("tokens")}'."));
    }

    [Test]
    public async Task Daemon_ReadOnly_RefusesToWrite()
    {
        await using DaemonProcess daemon = await StartOnTcpAsync("--read-only");
        using GrpcChannel channel = await daemon.ConnectAsync();
        Assert.That(await StoreCalls.StatusAsync(channel, StoreCalls.PutBlob, StoreCalls.Field(Contents)), Is.EqualTo(GrpcStatusCode.FailedPrecondition));
        Assert.That(await StoreCalls.StatAsync(channel, NoDigest), Is.EqualTo(GrpcStatusCode.NotFound));
    }

    [Test]
    public async Task Daemon_WithTls_ServesWithItsCertificateAndTakesANewOne()
    {
        string first = MakeCertificate();
        await using DaemonProcess daemon = await StartOnTcpAsync("--tls-certificate", At("cert.pem"), "--tls-key", At("key.pem"));
        string address = await daemon.AddressAsync();
        Assert.That(address, Does.StartWith("https://127.0.0.1:"));
        Assert.That(await CertificateAsync(address), Is.EqualTo(first));

        using GrpcChannel clear = DaemonProcess.Connect(address.Replace("https", "http", StringComparison.Ordinal));
        Assert.That(await StoreCalls.StatAsync(clear, NoDigest), Is.Not.EqualTo(GrpcStatusCode.NotFound));

        string second = MakeCertificate();
        daemon.Signal(DaemonProcess.Hangup);
        await daemon.WaitForAsync("were read again");
        Assert.That(await CertificateAsync(address), Is.EqualTo(second).And.Not.EqualTo(first));
        await daemon.StopAsync();
    }

    [Test]
    public async Task Tool_OverTls_TrustsTheAuthorityOfItsFileAndNoOther()
    {
        MakeCertificate("127.0.0.1");
        await using DaemonProcess daemon = await StartAsync("--listen", "127.0.0.1:0", "--tls-certificate", At("cert.pem"), "--tls-key", At("key.pem"));
        string address = "grpc+" + await daemon.AddressAsync();
        Assert.That(address, Does.StartWith("grpc+https://127.0.0.1:"));
        Assert.That((await RunWithAsync(new ToolSetup(), "--store", $"{address}?ca-file={At("cert.pem")}", "import", MakeTree())).Code, Is.EqualTo(ExitCode.Success));
        ToolResult untrusted = await RunWithAsync(new ToolSetup(), "--store", address, "list");
        Assert.That(untrusted.Code, Is.EqualTo(ExitCode.Failure));
        Assert.That(untrusted.Error, Does.Match("^error: [^\n]*certificate[^\n]*\n$"));
        MakeCertificate("127.0.0.1");
        Assert.That((await RunWithAsync(new ToolSetup(), "--store", $"{address}?ca-file={At("cert.pem")}", "list")).Code, Is.EqualTo(ExitCode.Failure), "another authority");
    }

    [Test]
    public async Task Daemon_WithTls_IsABinaryCacheInBothVersionsOfHttp()
    {
        MakeCertificate();
        await using DaemonProcess daemon = await StartAsync("--http", "127.0.0.1:0", "--tls-certificate", At("cert.pem"), "--tls-key", At("key.pem"));
        using HttpClientHandler trusting = new() { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator };
        using HttpClient client = new(trusting);
        foreach (Version version in (Version[])[System.Net.HttpVersion.Version11, System.Net.HttpVersion.Version20])
        {
            using HttpRequestMessage request = new(HttpMethod.Get, await daemon.AddressAsync() + "/nix-cache-info") { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            HttpResponseMessage response = await client.SendAsync(request);
            Assert.That((response.Version, (int)response.StatusCode), Is.EqualTo((version, 200)));
        }

        await daemon.StopAsync();
    }

    [Test]
    public async Task Daemon_CertificateThatCannotBeUsed_IsOneLine()
    {
        MakeCertificate();
        File.WriteAllText(At("key.pem"), "nonsense");
        Assert.That(await FailAsync(ExitCode.Failure, "daemon", "--tls-certificate", At("cert.pem"), "--tls-key", At("key.pem")), Does.Contain(At("key.pem")));
        Assert.That(await FailAsync(ExitCode.Failure, "daemon", "--tls-certificate", At("nothing"), "--tls-key", At("key.pem")), Does.Contain(At("nothing")));
    }

    /// <summary>Makes a call.</summary>
    /// <returns>The fingerprint of the server's certificate.</returns>
    private static async Task<string?> CertificateAsync(string address)
    {
        string? seen = null;
        SslClientAuthenticationOptions tls = new()
        {
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                seen = certificate!.GetCertHashString();
                return true;
            },
        };
        using GrpcChannel channel = DaemonProcess.Connect(address, options: new GrpcChannelOptions { Tls = tls });
        Assert.That(await StoreCalls.StatAsync(channel, NoDigest), Is.EqualTo(GrpcStatusCode.NotFound));
        return seen;
    }

    /// <summary>Makes a certificate that signs itself, and its key.</summary>
    /// <returns>Its fingerprint.</returns>
    private string MakeCertificate(string? address = null)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        if (address is not null)
        {
            SubjectAlternativeNameBuilder names = new();
            names.AddIpAddress(IPAddress.Parse(address));
            request.CertificateExtensions.Add(names.Build());
        }

        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(At("cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(At("key.pem"), key.ExportPkcs8PrivateKeyPem());
        return certificate.GetCertHashString();
    }
}
