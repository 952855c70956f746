namespace Tvix.Store.NarInfos;

/// <summary>
/// Why some text is not a signature, a public key or a signing key. The checks are made in the order of the values; the first that hits
/// decides.
/// </summary>
public enum NarKeyError
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>There is no colon.</summary>
    MissingSeparator,

    /// <summary>The name is empty, or contains white space or control characters, or is not UTF-8.</summary>
    InvalidName,

    /// <summary>The Base64 after the colon has not 88 characters (signatures and signing keys) or 44 (public keys).</summary>
    InvalidLength,

    /// <summary>What follows the colon is not standard Base64.</summary>
    InvalidEncoding,

    /// <summary>The bytes are not a point on the curve, or not the public key that belongs to the secret one.</summary>
    InvalidKey,
}
