using System.Globalization;
using Tvix.Castore;
using Tvix.Store.Composition;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.BinaryCaches;

/// <summary>The addresses of binary caches.</summary>
/// <remarks>
/// <code>
/// address = "nix+http://" host [ ":" port ] [ path ] [ parameters ]       the cache's URL with "nix+" before it
///         | "nix+https://" host [ ":" port ] [ path ] [ parameters ]
///         | "file://" path [ parameters ]                                 a cache in a folder
/// </code>
/// Parameters: <c>trusted-public-keys</c>, <c>compression</c>, <c>priority</c>, <c>store-dir</c>, <c>temporary-folder</c>; and over HTTP <c>netrc-file</c>, <c>token-file</c>,
/// <c>timeout</c>, <c>connect-timeout</c>, <c>retries</c>.
/// </remarks>
internal sealed class BinaryCacheAddress
{
    private const int MaxTokenLength = 64 << 10;

    private readonly StoreAddress _address;
    private readonly BinaryCacheOptions _options = new();
    private readonly HttpBinaryCacheOptions _http = new();
    private readonly Uri? _url;

    private BinaryCacheAddress(StoreAddress address)
    {
        _address = address;
        bool isFile = address.Scheme == "file";
        if (!Schemes.Contains(address.Scheme))
        {
            throw new FormatException($"'{address}' is not the address of a binary cache, which begins with {string.Join(":, ", Schemes)}:.");
        }

        if (isFile ? !address.Rest.StartsWith('/') || address.Rest.StartsWith("//", StringComparison.Ordinal) || address.Rest.Length < 2
            : !Uri.TryCreate($"{address.Scheme["nix+".Length..]}:{address.Rest}", UriKind.Absolute, out _url) || _url.Host.Length == 0 || _url.Fragment.Length > 0)
        {
            throw new FormatException(isFile
                ? $"'{address}' needs the absolute path of a folder, as in 'file:///srv/cache'."
                : $"'{address}' needs the URL of a cache, as in '{address.Scheme}://cache.example.org'.");
        }

        foreach ((string name, string value) in address.Parameters)
        {
            if (!TryRead(name, value) && (isFile || !TryReadHttp(name, value)))
            {
                throw new FormatException(
                    $"'{address}': the parameter '{name}={value}' is not known; known are trusted-public-keys, compression (none, zstd, xz, gzip, br), priority, store-dir, "
                    + "temporary-folder" + (isFile ? "." : ", netrc-file, token-file, timeout (seconds), connect-timeout (seconds) and retries."));
            }
        }
    }

    public static string[] Schemes { get; } = ["nix+http", "nix+https", "file"];

    public static StoreScheme Scheme { get; } = new(
        static (address, _) => Parse(address).Open(), static (address, _) => Parse(address), null);

    /// <exception cref="FormatException">Something is wrong with the address.</exception>
    public static BinaryCacheAddress Parse(StoreAddress address) => new(address);

    /// <summary>Makes a client, and the files that it uses, which the caller disposes if they can be.</summary>
    public (BinaryCache Cache, IDisposable? Files) CreateClient()
    {
        IBinaryCacheFiles files = _url is null ? new FolderBinaryCacheFiles(_address.Rest) : new HttpBinaryCacheFiles(_url, _http);
        return (new BinaryCache(files, _options), files as IDisposable);
    }

    private StoreServices Open()
    {
        (BinaryCache cache, IDisposable? files) = CreateClient();
        TemporaryContents contents = new(_options.TemporaryFolder);
        StoreServices services = StoreAddressResolver.ForLocal(contents.Store);
        return new StoreServices(services.Blobs, services.Directories, new BinaryCachePathInfoService(cache, services.Blobs, services.Directories))
        {
            Owner = new Owned(contents, files),
            PathInfosOver = (blobs, directories) => new BinaryCachePathInfoService(cache, blobs, directories),
        };
    }

    private bool TryRead(string name, string value)
    {
        switch (name)
        {
            case "trusted-public-keys":
                _options.TrustedKeys = TrustedKeys.Parse(value);
                return true;
            case "compression" when NarCompression.CanWrite(value):
                _options.Compression = value;
                return true;
            case "priority" when int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int priority):
                _options.Priority = priority;
                return true;
            case "store-dir":
                try
                {
                    _options.StoreDirectory = new StoreDirectory(value);
                    return true;
                }
                catch (ArgumentException e)
                {
                    throw new FormatException($"'{_address}': {e.Message}", e);
                }

            case "temporary-folder" when value.Length > 0:
                _options.TemporaryFolder = value;
                return true;
            default:
                return false;
        }
    }

    private bool TryReadHttp(string name, string value)
    {
        switch (name)
        {
            case "netrc-file" when value.Length > 0:
                _http.NetrcFile = value;
                return true;
            case "token-file" when value.Length > 0:
                _http.BearerToken = cancellationToken => ReadTokenAsync(value, cancellationToken);
                return true;
            case "timeout" when TryParseSeconds(value, out TimeSpan time):
                _http.Timeout = time;
                return true;
            case "connect-timeout" when TryParseSeconds(value, out TimeSpan time):
                _http.ConnectTimeout = time;
                return true;
            case "retries" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int retries) && retries <= 100:
                _http.Retries = retries;
                return true;
            default:
                return false;
        }
    }

    private static bool TryParseSeconds(string value, out TimeSpan time)
    {
        bool isNumber = double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is >= 0.1 and <= 86_400;
        time = isNumber ? TimeSpan.FromSeconds(seconds) : default;
        return isNumber;
    }

    /// <summary>Each time anew, since whoever issues tokens replaces them.</summary>
    private async ValueTask<string?> ReadTokenAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            FileInfo file = new(path);
            string token = file.Length <= MaxTokenLength ? (await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false)).Trim() : "";
            return token.Length > 0 && !token.Any(char.IsControl) ? token : throw new StorageException($"The file '{path}', for the token of '{_address}', does not hold one.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The token for '{_address}' cannot be read: {e.Message}", e);
        }
    }

    private sealed class Owned(TemporaryContents contents, IDisposable? files) : IAsyncDisposable, IDisposable
    {
        public async ValueTask DisposeAsync()
        {
            files?.Dispose();
            await contents.DisposeAsync().ConfigureAwait(false);
        }

        public void Dispose()
        {
            files?.Dispose();
            contents.Dispose();
        }
    }
}
