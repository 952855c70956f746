using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Store.BinaryCaches;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Composition;

/// <summary>Opens stores by their address. Schemes can be added, by packages with backends of their own for example.</summary>
/// <remarks>
/// <list type="table">
/// <item><term><c>memory:</c></term><description>an empty store in memory</description></item>
/// <item><term><c>local:FOLDER</c></term><description>the embedded store in a folder, made if it does not exist; parameters <c>compression</c> (auto, zstd, none),
/// <c>level</c> (1 to 19), <c>chunk-size</c> (mean, in bytes), <c>durability</c> (disk, os)</description></item>
/// <item><term><c>cache:?near=ADDRESS&amp;far=ADDRESS</c></term><description>a store that keeps near what it reads from far; the addresses
/// are percent-encoded and may be of any scheme that the resolver knows; parameter <c>writes</c> (near, far, both). Several binary caches can
/// be far, with white space in between; see <see cref="CombinedPathInfoService"/>. What is read from binary caches is stored near at once, and a NAR that is being fetched can
/// be served meanwhile</description></item>
/// <item><term><c>nix+https://HOST/PATH</c>, <c>nix+http://HOST/PATH</c></term><description>a binary cache of Nix; parameters <c>trusted-public-keys</c> (keys with white
/// space in between, of which one must have signed what is not addressed by its contents; all is accepted when it is not given), <c>compression</c> of uploads (none, zstd, xz,
/// gzip, br), <c>priority</c>, <c>store-dir</c>, <c>temporary-folder</c>, <c>netrc-file</c>, <c>token-file</c>, <c>timeout</c>, <c>connect-timeout</c> (seconds), <c>retries</c>. By
/// itself it keeps contents in a temporary folder</description></item>
/// <item><term><c>file:///FOLDER</c></term><description>a binary cache in a folder; parameters as above, without those of HTTP</description></item>
/// </list>
/// Immutable; <c>With</c> makes a resolver that knows one scheme more.
/// </remarks>
public sealed class StoreAddressResolver
{
    /// <summary>How deep addresses may be nested in each other.</summary>
    private const int MaxDepth = 8;

    private readonly Dictionary<string, StoreScheme> _schemes;
    private readonly int _depth;

    private StoreAddressResolver(Dictionary<string, StoreScheme> schemes, int depth = 0)
    {
        _schemes = schemes;
        _depth = depth;
    }

    /// <summary>The resolver that knows what this package offers.</summary>
    public static StoreAddressResolver Default { get; } = new(new Dictionary<string, StoreScheme>(StringComparer.Ordinal)
    {
        ["memory"] = new(
            static (address, _) => OpenMemory(address),
            static (address, _) => CheckMemory(address),
            static (builder, _, name, _) => builder.AddMemoryStore(name)),
        ["local"] = new(
            static (address, _) => OpenLocal(address),
            static (address, _) => ParseLocal(address),
            static (builder, address, name, _) =>
            {
                LocalStoreOptions options = ParseLocal(address);
                builder.AddLocalStore(options.Path, name, target => options.CopyTo(target));
            }),
        ["cache"] = CacheAddress.Scheme,
        ["nix+http"] = BinaryCacheAddress.Scheme,
        ["nix+https"] = BinaryCacheAddress.Scheme,
        ["file"] = BinaryCacheAddress.Scheme,
    });

    /// <summary>This resolver with one more scheme, or another meaning for one.</summary>
    /// <param name="scheme">The scheme in lower case, without the colon.</param>
    /// <param name="open">Opens a store; throws <see cref="FormatException"/> when the address is not to its liking.</param>
    public StoreAddressResolver With(string scheme, Func<StoreAddress, StoreServices> open)
    {
        ArgumentNullException.ThrowIfNull(open);
        return With(scheme, (address, _) => open(address));
    }

    /// <summary>This resolver with one more scheme, or another meaning for one.</summary>
    /// <param name="scheme">The scheme in lower case, without the colon.</param>
    /// <param name="open">
    /// Opens a store, for addresses inside of the address with the resolver that it is given; throws <see cref="FormatException"/> when the
    /// address is not to its liking.
    /// </param>
    /// <param name="check">
    /// Checks an address as far as that is possible without any I/O, and throws <see cref="FormatException"/>; <see langword="null"/> when
    /// there is nothing to check.
    /// </param>
    public StoreAddressResolver With(
        string scheme, Func<StoreAddress, StoreAddressResolver, StoreServices> open, Action<StoreAddress, StoreAddressResolver>? check = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(scheme);
        ArgumentNullException.ThrowIfNull(open);
        return new StoreAddressResolver(
            new Dictionary<string, StoreScheme>(_schemes, StringComparer.Ordinal) { [scheme] = new(open, check, null) }, _depth);
    }

    /// <summary>Opens the store at an address.</summary>
    /// <exception cref="FormatException">The scheme is not known, or something is wrong with the rest; the message says what.</exception>
    /// <exception cref="Tvix.Castore.StorageException">There is something wrong with the store.</exception>
    public StoreServices Open(StoreAddress address) => Find(address).Open(address, Nested());

    /// <summary>Checks an address as far as that is possible without any I/O.</summary>
    /// <exception cref="FormatException">The scheme is not known, or something is wrong with the rest; the message says what.</exception>
    public void Check(StoreAddress address) => Find(address).Check?.Invoke(address, Nested());

    /// <summary>Adds the store at an address to a container, without opening it.</summary>
    /// <exception cref="FormatException">As for <see cref="Check"/>.</exception>
    internal void AddTo(TvixStoreBuilder builder, StoreAddress address, string name)
    {
        StoreScheme scheme = Find(address);
        StoreAddressResolver nested = Nested();
        scheme.Check?.Invoke(address, nested);
        if (scheme.AddTo is { } add)
        {
            add(builder, address, name, nested);
            return;
        }

        AddOpened(builder, name, () => Open(address));
    }

    /// <summary>Adds a store to a container that is opened as a whole.</summary>
    internal static void AddOpened(TvixStoreBuilder builder, string name, Func<StoreServices> open)
    {
        builder
            .AddService(name, _ => new OpenedStore(open()))
            .AddService(name, provider => provider.GetRequiredKeyedService<OpenedStore>(name).Services.Blobs)
            .AddService(name, provider => provider.GetRequiredKeyedService<OpenedStore>(name).Services.Directories)
            .AddService(name, provider => provider.GetRequiredKeyedService<OpenedStore>(name).Services.PathInfos);
        builder.SetBacking<IBlobService, OpenedStore>(name, name);
        builder.SetBacking<IDirectoryService, OpenedStore>(name, name);
    }

    /// <summary>Whether stores at such addresses have archives of contents rather than contents; see <see cref="StoreServices.PathInfosOver"/>.</summary>
    internal static bool KeepsArchives(StoreAddress address) => BinaryCacheAddress.Schemes.Contains(address.Scheme);

    private StoreScheme Find(StoreAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (!_schemes.TryGetValue(address.Scheme, out StoreScheme? scheme))
        {
            throw new FormatException(
                $"'{address}' has the scheme '{address.Scheme}'; known are {string.Join(", ", _schemes.Keys.Order(StringComparer.Ordinal))}.");
        }

        return _depth <= MaxDepth ? scheme : throw new FormatException($"'{address}' is inside of more than {MaxDepth} other addresses.");
    }

    private StoreAddressResolver Nested() => new(_schemes, _depth + 1);

    /// <summary>What a <c>local:</c> address says.</summary>
    /// <exception cref="FormatException">The path is missing, or a parameter is not known or has no such value.</exception>
    public static LocalStoreOptions ParseLocal(StoreAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.Rest.Length == 0 || address.Rest.StartsWith("//", StringComparison.Ordinal))
        {
            throw new FormatException($"'{address}' needs a folder, as in 'local:/var/lib/tvix-store'.");
        }

        LocalStoreOptions options = new() { Path = address.Rest };
        foreach ((string name, string value) in address.Parameters)
        {
            switch (name)
            {
                case "compression" when value is "auto" or "zstd" or "none":
                    options.Compression = value switch { "zstd" => LocalCompression.Zstd, "none" => LocalCompression.None, _ => LocalCompression.Auto };
                    break;
                case "level" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int level):
                    options.CompressionLevel = level;
                    break;
                case "chunk-size" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int size):
                    options.AverageChunkSize = size;
                    break;
                case "durability" when value is "disk" or "os":
                    options.Durability = value == "disk" ? LocalDurability.Disk : LocalDurability.OperatingSystem;
                    break;
                default:
                    throw new FormatException(
                        $"'{address}': the parameter '{name}={value}' is not known; known are compression (auto, zstd, none), level, chunk-size and durability (disk, os).");
            }
        }

        try
        {
            options.Validate();
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"'{address}': {e.Message}", e);
        }

        return options;
    }

    private static void CheckMemory(StoreAddress address)
    {
        if (address.Rest is not ("" or "//") || address.Parameters.Count > 0)
        {
            throw new FormatException($"'{address}': a store in memory has neither a place nor parameters; write 'memory:'.");
        }
    }

    private static StoreServices OpenMemory(StoreAddress address)
    {
        CheckMemory(address);
        return new StoreServices(new MemoryBlobService(), new MemoryDirectoryService(), new MemoryPathInfoService());
    }

    private static StoreServices OpenLocal(StoreAddress address)
    {
        LocalStore store = new(ParseLocal(address));
        store.Open();
        return ForLocal(store) with { Owner = store };
    }

    /// <summary>The services of an embedded store, which stays the caller's.</summary>
    public static StoreServices ForLocal(LocalStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        return new StoreServices(store.Blobs, store.Directories, new LocalPathInfoService(store)) { Statistics = store, Verifiable = store };
    }
}
