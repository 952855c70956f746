using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>One step of putting a tree together, as <see cref="TreeIngester"/> takes it.</summary>
/// <remarks>The set of kinds is closed. Spec: castore §6.1.</remarks>
public abstract record IngestionEntry
{
    private IngestionEntry(CastorePath path) => Path = path;

    /// <summary>Where the entry is. Its first component is the root's own name, which is not recorded.</summary>
    public CastorePath Path { get; }

    /// <summary>A regular file, whose blob is stored already or will be before anybody asks for it.</summary>
    /// <param name="Path">Where the file is.</param>
    /// <param name="Digest">BLAKE3 of the contents.</param>
    /// <param name="Size">The length of the contents in bytes.</param>
    /// <param name="Executable">Whether the owner may execute it.</param>
    public sealed record Regular(CastorePath Path, B3Digest Digest, ulong Size, bool Executable) : IngestionEntry(Path);

    /// <summary>A symbolic link.</summary>
    /// <param name="Path">Where the link is.</param>
    /// <param name="Target">Where it points, uninterpreted.</param>
    public sealed record Symlink(CastorePath Path, SymlinkTarget Target) : IngestionEntry(Path);

    /// <summary>A directory, of which every entry came before.</summary>
    /// <param name="Path">Where the directory is.</param>
    public sealed record Directory(CastorePath Path) : IngestionEntry(Path);
}
