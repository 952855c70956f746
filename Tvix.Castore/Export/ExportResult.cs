namespace Tvix.Castore.Export;

/// <summary>What an export made.</summary>
public sealed record ExportResult
{
    /// <summary>The number of files, with those that are links to files in the folder for links, or clones of them.</summary>
    public required long Files { get; init; }

    /// <summary>The number of folders.</summary>
    public required long Directories { get; init; }

    /// <summary>The number of symbolic links.</summary>
    public required long Symlinks { get; init; }

    /// <summary>The number of bytes written to files.</summary>
    public required long WrittenBytes { get; init; }

    /// <summary>The number of files that were not written, as the folder for links had them.</summary>
    public required long LinkedFiles { get; init; }

    /// <summary>The length of those files in bytes.</summary>
    public required long LinkedBytes { get; init; }

    /// <summary>Why files were written although there is a folder for links; <see langword="null"/> if nothing prevented links.</summary>
    public required string? LinkFailure { get; init; }
}
