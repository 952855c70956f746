using Tvix.Castore.Import;
using Tvix.Store.Nix;

namespace Tvix.Store;

/// <summary>What is known of contents that are imported, and how they are read.</summary>
public sealed class ContentsImportOptions
{
    /// <summary>The length that their NAR must have, in bytes; <see langword="null"/>, the default, for any.</summary>
    public ulong? ExpectedSize { get; set; }

    /// <summary>The SHA-256 that their NAR must have; <see langword="null"/>, the default, for any.</summary>
    public Sha256Digest? ExpectedSha256 { get; set; }

    /// <summary>How the tree is read.</summary>
    /// <value>The default has all defaults.</value>
    public FileSystemImportOptions FileSystem { get; set; } = new();
}
