namespace Tvix.Castore.Model;

/// <summary>
/// What stands at one place of a tree: a directory, a file or a symlink. A node has no name; the directory that holds it, or whoever keeps
/// a root, gives it one.
/// </summary>
/// <remarks>The set of kinds is closed, so a <see langword="switch"/> over the nested records is complete.</remarks>
public abstract record Node
{
    private Node()
    {
    }

    /// <summary>A directory, by the digest of its canonical encoding.</summary>
    /// <param name="Digest">BLAKE3 of the encoded <see cref="CastoreDirectory"/>.</param>
    /// <param name="Size">The directory's recorded size; see <see cref="CastoreDirectory.GetSize"/> for the rule.</param>
    public sealed record Directory(B3Digest Digest, ulong Size) : Node;

    /// <summary>A regular file.</summary>
    /// <param name="Digest">BLAKE3 of the contents.</param>
    /// <param name="Size">The length of the contents in bytes.</param>
    /// <param name="Executable">Whether the owner may execute it.</param>
    public sealed record File(B3Digest Digest, ulong Size, bool Executable) : Node;

    /// <summary>A symbolic link.</summary>
    /// <param name="Target">Where it points, uninterpreted.</param>
    public sealed record Symlink(SymlinkTarget Target) : Node;
}
