namespace Tvix.Store;

/// <summary>What the name of an imported store path is computed from.</summary>
public enum StoreImportMethod
{
    /// <summary>The SHA-256 of the NAR, as <c>nix-store --add</c> does. For files, folders and symbolic links.</summary>
    Recursive,

    /// <summary>The SHA-256 of a single file's contents, as <c>nix-store --add-fixed sha256</c> does.</summary>
    Flat,
}
