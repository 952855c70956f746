using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>How <see cref="TarImporter"/> reads archives.</summary>
public sealed class TarImportOptions
{
    /// <summary>What of the archive becomes the root.</summary>
    /// <value>The default is <see cref="TarTopLevel.SingleDirectory"/>.</value>
    public TarTopLevel TopLevel { get; set; } = TarTopLevel.SingleDirectory;

    /// <summary>
    /// Whether an archive may end without a block of zeros. With it, one that was cut off between two members cannot be told from a whole
    /// one.
    /// </summary>
    /// <value>The default is <see langword="false"/>.</value>
    public bool AllowMissingEndMarker { get; set; }

    /// <summary>The most files, directories and symlinks that are taken. Memory grows with their number.</summary>
    /// <value>At least 1. The default is ten million.</value>
    public long MaxEntries { get; set; } = 10_000_000;

    /// <summary>The most bytes of file contents that are taken, holes of sparse files included.</summary>
    /// <value>At least 0. The default is no limit.</value>
    public long MaxContentBytes { get; set; } = long.MaxValue;

    /// <summary>The bytes of file contents that are held in memory to be stored together.</summary>
    /// <value>In bytes, at least 65536. The default is 16 MiB.</value>
    public int MaxBufferedBytes { get; set; } = 16 << 20;

    /// <summary>How the sizes of directories are computed.</summary>
    /// <value>The default is <see cref="DirectorySizeRule.EntriesTwice"/>.</value>
    public DirectorySizeRule SizeRule { get; set; } = DirectorySizeRule.EntriesTwice;
}
