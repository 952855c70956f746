using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Tvix.Castore;
using Tvix.Store.Composition;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Client;

/// <summary>Where the server of a store is, and how it is called. Spec: castore §5.2.</summary>
/// <remarks>
/// <code>
/// address = "grpc+http://" host [ ":" port ] [ parameters ]      HTTP/2 without TLS; port 80 unless given
///         | "grpc+https://" host [ ":" port ] [ parameters ]     port 443 unless given
///         | "grpc+unix:" [ "//" ] path [ parameters ]            the absolute path of a Unix socket, percent-encoded
/// </code>
/// <list type="table">
/// <item><term><c>wait-connect=1</c></term><description>the server must be there when the store is opened; otherwise it is called when it
/// is needed</description></item>
/// <item><term><c>package=tvix</c> or <c>snix</c></term><description>under which names the services are called; tvix, unless
/// given</description></item>
/// <item><term><c>timeout=SECONDS</c></term><description>see <see cref="GrpcClientOptions.Timeout"/></description></item>
/// <item><term><c>compress=1</c></term><description>messages to the server are compressed</description></item>
/// <item><term><c>token-file=PATH</c></term><description>a file with the bearer token that calls carry, read for each
/// call</description></item>
/// <item><term><c>ca-file=PATH</c></term><description>a PEM file with the authorities to trust instead of the system's; with
/// <c>grpc+https</c> only</description></item>
/// </list>
/// </remarks>
public sealed class GrpcStoreAddress
{
    private const int MaxTokenLength = 64 << 10;

    private static readonly Dictionary<string, string> _transports = new(StringComparer.Ordinal)
    {
        ["grpc+http"] = "http",
        ["grpc+https"] = "https",
        ["grpc+unix"] = "unix",
    };

    private readonly string _text;

    private GrpcStoreAddress(string text) => _text = text;

    /// <summary>The schemes of such addresses.</summary>
    public static IReadOnlyCollection<string> Schemes => _transports.Keys;

    /// <summary>The server, as <c>http</c> or <c>https</c>; <see langword="null"/> for one on a Unix socket.</summary>
    public Uri? Endpoint { get; private init; }

    /// <summary>The path of the Unix socket; <see langword="null"/> for a server on the network.</summary>
    public string? SocketPath { get; private init; }

    /// <summary>Whether the server must be there when the store is opened.</summary>
    public bool WaitConnect { get; private set; }

    /// <summary>Under which names the services are called.</summary>
    public GrpcPackage Package { get; private set; } = GrpcPackage.Tvix;

    /// <summary>How long the server may take; <see langword="null"/> for as long as it likes.</summary>
    public TimeSpan? Timeout { get; private set; }

    /// <summary>Whether messages to the server are compressed.</summary>
    public bool Compress { get; private set; }

    /// <summary>The file with the bearer token; <see langword="null"/> for none.</summary>
    public string? TokenFile { get; private set; }

    /// <summary>The file with the authorities to trust; <see langword="null"/> for the system's.</summary>
    public string? CaFile { get; private set; }

    /// <summary>Parses an address.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is no such address; the message says why.</exception>
    public static GrpcStoreAddress Parse(string text) => FromAddress(StoreAddress.Parse(text));

    /// <summary>Reads an address.</summary>
    /// <exception cref="FormatException"><paramref name="address"/> is not that of a server; the message says why.</exception>
    public static GrpcStoreAddress FromAddress(StoreAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (!_transports.TryGetValue(address.Scheme, out string? transport))
        {
            throw new FormatException($"'{address}' has the scheme '{address.Scheme}'; those of servers are {string.Join(", ", Schemes)}.");
        }

        GrpcStoreAddress result = transport == "unix"
            ? new GrpcStoreAddress(address.ToString()) { SocketPath = ReadSocketPath(address) }
            : new GrpcStoreAddress(address.ToString()) { Endpoint = ReadEndpoint(address, transport) };
        foreach ((string name, string value) in address.Parameters)
        {
            result.ReadParameter(name, value);
        }

        return result;
    }

    /// <summary>The address as it was given.</summary>
    public override string ToString() => _text;

    /// <summary>Makes a channel to the server; it connects when the first call is made.</summary>
    /// <param name="configure">Further settings.</param>
    /// <returns>The channel, which the caller disposes.</returns>
    /// <exception cref="StorageException">The file with the authorities cannot be read.</exception>
    public GrpcChannel CreateChannel(Action<GrpcChannelOptions>? configure = null)
    {
        GrpcChannelOptions options = new() { Compress = Compress };
        if (TokenFile is not null)
        {
            options.BearerToken = ReadTokenAsync;
        }

        if (CaFile is not null)
        {
            options.Tls = new SslClientAuthenticationOptions { CertificateChainPolicy = ReadAuthorities(CaFile) };
        }

        configure?.Invoke(options);
        return SocketPath is null ? new GrpcChannel(Endpoint!, options) : new GrpcChannel(new UnixDomainSocketEndPoint(SocketPath), options);
    }

    private static string ReadSocketPath(StoreAddress address)
    {
        string path = address.Rest;
        if (path.StartsWith("//", StringComparison.Ordinal))
        {
            throw new FormatException($"'{address}': a Unix socket has no host; write 'grpc+unix:///run/tvix-store.sock'.");
        }

        if (path.Length < 2 || path[0] != '/' || path.Contains('\0'))
        {
            throw new FormatException($"'{address}' needs the absolute path of a socket, as in 'grpc+unix:///run/tvix-store.sock'.");
        }

        try
        {
            _ = new UnixDomainSocketEndPoint(path);
            return path;
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"'{address}': that cannot be the path of a socket; it may be too long.", e);
        }
    }

    private static Uri ReadEndpoint(StoreAddress address, string scheme)
    {
        string rest = address.Rest;
        if (!rest.StartsWith("//", StringComparison.Ordinal) || rest.AsSpan(2).ContainsAny('#', '\\'))
        {
            throw NoServer(address);
        }

        if (rest.AsSpan(2).Contains('/'))
        {
            throw new FormatException($"'{address}': the address of a server has no path, not even '/'.");
        }

        return Uri.TryCreate(scheme + ":" + rest, UriKind.Absolute, out Uri? uri) && uri is { Host.Length: > 0, UserInfo: "", Port: > 0 }
            ? uri
            : throw NoServer(address);
    }

    private static FormatException NoServer(StoreAddress address) => new($"'{address}' needs a server, as in '{address.Scheme}://localhost:8000'.");

    private void ReadParameter(string name, string value)
    {
        switch (name)
        {
            case "wait-connect":
                WaitConnect = value == "1"; // any other value is allowed, and means no
                break;
            case "package" when value is "tvix" or "snix":
                Package = value == "tvix" ? GrpcPackage.Tvix : GrpcPackage.Snix;
                break;
            case "timeout" when double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
                && seconds is > 0 and <= 2_000_000:
                Timeout = TimeSpan.FromSeconds(seconds);
                break;
            case "compress" when value is "0" or "1":
                Compress = value == "1";
                break;
            case "token-file" when value.Length > 0:
                TokenFile = value;
                break;
            case "ca-file" when value.Length > 0 && Endpoint?.Scheme == Uri.UriSchemeHttps:
                CaFile = value;
                break;
            default:
                throw new FormatException(
                    $"'{_text}': the parameter '{name}={value}' is not known; known are wait-connect (1), package (tvix, snix), timeout (seconds), "
                    + "compress (0, 1), token-file, and with grpc+https ca-file.");
        }
    }

    /// <summary>Each time anew, since whoever issues tokens replaces them.</summary>
    private async ValueTask<string?> ReadTokenAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (new FileInfo(TokenFile!).Length > MaxTokenLength)
            {
                throw new StorageException($"The file with the token, {TokenFile}, is too long for one.");
            }

            string token = (await File.ReadAllTextAsync(TokenFile!, cancellationToken).ConfigureAwait(false)).Trim();
            return token.Length > 0 && !token.AsSpan().ContainsAnyExceptInRange('!', '~')
                ? token
                : throw new StorageException($"The file {TokenFile} holds no token.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The token cannot be read: {e.Message}", e);
        }
    }

    private static X509ChainPolicy ReadAuthorities(string path)
    {
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new StorageException($"The authorities in {path} cannot be read: {e.Message}", e);
        }

        return policy.CustomTrustStore.Count > 0 ? policy : throw new StorageException($"There are no certificates in {path}.");
    }
}
