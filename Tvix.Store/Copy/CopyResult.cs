using Tvix.Store.Nix;

namespace Tvix.Store.Copy;

/// <summary>What a copy did.</summary>
public sealed record CopyResult
{
    /// <summary>The store paths that were copied, each after those that it refers to. The same input gives the same order.</summary>
    public required IReadOnlyList<StorePath> CopiedPaths { get; init; }

    /// <summary>The number of store paths that the target had already.</summary>
    public required long PathsAlreadyThere { get; init; }

    /// <summary>How many of <see cref="PathsAlreadyThere"/> got signatures that only the source had.</summary>
    public required long PathsSigned { get; init; }

    /// <summary>The number of directories stored: those of all trees whose root the target lacked, each counted once in its tree.</summary>
    public required long Directories { get; init; }

    /// <summary>The number of blobs copied.</summary>
    public required long Blobs { get; init; }

    /// <summary>The number of bytes of blobs that were read from the source.</summary>
    public required long BytesCopied { get; init; }

    /// <summary>
    /// The number of bytes that did not have to be: the NARs of store paths that the target had, and of the others the files whose contents it had or that
    /// occur several times, and chunks that were taken from the target.
    /// </summary>
    /// <remarks>Files in a directory that occurs several times in a tree are counted once.</remarks>
    public required long BytesSaved { get; init; }
}
