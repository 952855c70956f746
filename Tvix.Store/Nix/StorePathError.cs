namespace Tvix.Store.Nix;

/// <summary>Why some text is not a store path. The checks are made in the order of the values; the first that hits decides.</summary>
public enum StorePathError
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>An absolute path does not begin with the store directory.</summary>
    MissingStoreDirectory,

    /// <summary>
    /// There are too few bytes for a base name, the digest has not 20 bytes, or the name is empty or longer than 211 bytes.
    /// </summary>
    InvalidLength,

    /// <summary>The first 32 bytes are not nixbase32.</summary>
    InvalidHashEncoding,

    /// <summary>Between hash and name stands something else than a dash.</summary>
    MissingDash,

    /// <summary>The name contains a byte that is not allowed.</summary>
    InvalidName,
}
