namespace Tvix.Store.Nix;

/// <summary>The hash functions that Nix names files and trees with.</summary>
public enum NixHashAlgorithm
{
    /// <summary>MD5, 16 bytes. Only for what was named with it long ago.</summary>
    Md5,

    /// <summary>SHA-1, 20 bytes. Only for what was named with it long ago.</summary>
    Sha1,

    /// <summary>SHA-256, 32 bytes: what everything new uses.</summary>
    Sha256,

    /// <summary>SHA-512, 64 bytes.</summary>
    Sha512,
}
