using System.Globalization;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Composition;

/// <summary>Opens stores by their address. Schemes can be added, by packages with backends of their own for example.</summary>
/// <remarks>
/// <list type="table">
/// <item><term><c>memory:</c></term><description>an empty store in memory</description></item>
/// <item><term><c>local:FOLDER</c></term><description>the embedded store in a folder, made if it does not exist; parameters <c>compression</c> (auto, zstd, none),
/// <c>level</c> (1 to 19), <c>chunk-size</c> (mean, in bytes), <c>durability</c> (disk, os)</description></item>
/// </list>
/// Immutable; <see cref="With"/> makes a resolver that knows one scheme more.
/// </remarks>
public sealed class StoreAddressResolver
{
    private readonly Dictionary<string, Func<StoreAddress, StoreServices>> _schemes;

    private StoreAddressResolver(Dictionary<string, Func<StoreAddress, StoreServices>> schemes) => _schemes = schemes;

    /// <summary>The resolver that knows what this package offers.</summary>
    public static StoreAddressResolver Default { get; } = new(new Dictionary<string, Func<StoreAddress, StoreServices>>(StringComparer.Ordinal)
    {
        ["memory"] = OpenMemory,
        ["local"] = OpenLocal,
    });

    /// <summary>This resolver with one more scheme, or another meaning for one.</summary>
    /// <param name="scheme">The scheme in lower case, without the colon.</param>
    /// <param name="open">Opens a store; throws <see cref="FormatException"/> when the address is not to its liking.</param>
    public StoreAddressResolver With(string scheme, Func<StoreAddress, StoreServices> open)
    {
        ArgumentException.ThrowIfNullOrEmpty(scheme);
        ArgumentNullException.ThrowIfNull(open);
        return new StoreAddressResolver(new Dictionary<string, Func<StoreAddress, StoreServices>>(_schemes, StringComparer.Ordinal) { [scheme] = open });
    }

    /// <summary>Opens the store at an address.</summary>
    /// <exception cref="FormatException">The scheme is not known, or something is wrong with the rest; the message says what.</exception>
    /// <exception cref="Tvix.Castore.StorageException">There is something wrong with the store.</exception>
    public StoreServices Open(StoreAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return _schemes.TryGetValue(address.Scheme, out var open)
            ? open(address)
            : throw new FormatException($"'{address}' has the scheme '{address.Scheme}'; known are {string.Join(", ", _schemes.Keys.Order(StringComparer.Ordinal))}.");
    }

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

    private static StoreServices OpenMemory(StoreAddress address) =>
        address.Rest is "" or "//" && address.Parameters.Count == 0
            ? new StoreServices(new MemoryBlobService(), new MemoryDirectoryService(), new MemoryPathInfoService())
            : throw new FormatException($"'{address}': a store in memory has neither a place nor parameters; write 'memory:'.");

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
