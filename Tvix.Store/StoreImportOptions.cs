using Tvix.Castore.Import;
using Tvix.Store.Nix;

namespace Tvix.Store;

/// <summary>How a path on disk becomes a store path.</summary>
public sealed class StoreImportOptions
{
    /// <summary>The name of the store path.</summary>
    /// <value>The default is <see langword="null"/>: the last component of the path on disk.</value>
    public string? Name { get; set; }

    /// <summary>What the store path is computed from.</summary>
    /// <value>The default is <see cref="StoreImportMethod.Recursive"/>.</value>
    public StoreImportMethod Method { get; set; } = StoreImportMethod.Recursive;

    /// <summary>The store paths that the contents refer to. They become part of the store path's computation.</summary>
    /// <value>The default is none.</value>
    public IReadOnlyList<StorePath> References { get; set; } = [];

    /// <summary>Store paths whose hash is looked for in the contents of files and the targets of links; those found become references.</summary>
    /// <value>The default is none.</value>
    public IReadOnlyList<StorePath> ReferenceCandidates { get; set; } = [];

    /// <summary>How the tree is read.</summary>
    /// <value>The default has all defaults.</value>
    public FileSystemImportOptions FileSystem { get; set; } = new();
}
