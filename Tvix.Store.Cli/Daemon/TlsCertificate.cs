using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Tvix.Store.Cli.Daemon;

/// <summary>The daemon's certificate, with the ones between it and the root, and its key. Can be read again while it is in use.</summary>
internal sealed class TlsCertificate
{
    private readonly string _certificatePath;
    private readonly string _keyPath;
    private SslServerAuthenticationOptions _options;

    /// <param name="certificatePath">Certificates in PEM, the daemon's own first.</param>
    /// <param name="keyPath">The key in PEM, not encrypted.</param>
    /// <exception cref="ToolException">They cannot be read, or do not fit.</exception>
    public TlsCertificate(string certificatePath, string keyPath)
    {
        _certificatePath = certificatePath;
        _keyPath = keyPath;
        _options = Read();
    }

    public SslServerAuthenticationOptions Options => Volatile.Read(ref _options);

    /// <summary>The same for those who may speak HTTP/1.1.</summary>
    public SslServerAuthenticationOptions HttpOptions => new()
    {
        ServerCertificateContext = Options.ServerCertificateContext,
        ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
    };

    /// <summary>Reads the files again, for connections that are made from now on. When that fails, everything stays as it was.</summary>
    public void Reload() => Volatile.Write(ref _options, Read());

    private SslServerAuthenticationOptions Read()
    {
        try
        {
            X509Certificate2Collection all = [];
            all.ImportFromPemFile(_certificatePath);
            X509Certificate2 own = X509Certificate2.CreateFromPemFile(_certificatePath, _keyPath);
            return new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(own, [.. all.Skip(1)], offline: true),
                ApplicationProtocols = [SslApplicationProtocol.Http2],
            };
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw ToolException.Failure($"The certificate '{_certificatePath}' with the key '{_keyPath}' cannot be used: {e.Message}");
        }
    }
}
