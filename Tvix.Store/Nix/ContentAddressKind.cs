namespace Tvix.Store.Nix;

/// <summary>How the contents of a store path were hashed to obtain its name.</summary>
public enum ContentAddressKind
{
    /// <summary>SHA-256 of a single file's bytes; the path may have references.</summary>
    Text,

    /// <summary>The hash of a single regular file's bytes.</summary>
    Flat,

    /// <summary>The hash of the NAR, modulo the path's own hash where the contents refer to the path itself.</summary>
    Nar,
}
