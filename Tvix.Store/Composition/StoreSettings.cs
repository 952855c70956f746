using Tvix.Store.Nix;

namespace Tvix.Store.Composition;

/// <summary>What the builder remembers for whole stores.</summary>
internal sealed class StoreSettings
{
    /// <summary>Knows the schemes of addresses.</summary>
    public StoreAddressResolver Resolver { get; set; } = StoreAddressResolver.Default;

    /// <summary>The store directory that the configuration names, while a call adds services.</summary>
    public StoreDirectory? ConfiguredDirectory { get; set; }

    /// <summary>The store directories of stores, by their name.</summary>
    public Dictionary<string, StoreDirectory> Directories { get; } = new(StringComparer.Ordinal);
}
