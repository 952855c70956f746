namespace Tvix.Castore.Model;

/// <summary>Which rule of the directory format a message or a set of entries breaks.</summary>
public enum DirectoryError
{
    /// <summary>The bytes are not a protobuf message of the expected shape.</summary>
    Malformed,

    /// <summary>A name occurs twice.</summary>
    DuplicateName,

    /// <summary>The entries of one list are not in ascending order of their names.</summary>
    WrongSorting,

    /// <summary>A name is not a valid <see cref="PathComponent"/>.</summary>
    InvalidName,

    /// <summary>A digest does not have 32 bytes, or a symlink target is not valid.</summary>
    InvalidNode,

    /// <summary>The size of the directory does not fit into 64 bits.</summary>
    SizeOverflow,

    /// <summary>A root node that must be anonymous has a name.</summary>
    NameInAnonymousNode,

    /// <summary>A node message has none of the three kinds set.</summary>
    NoNodeSet,

    /// <summary>A child directory's recorded size is not what its contents give.</summary>
    WrongSize,

    /// <summary>
    /// A directory came out of order: before its children when leaves come first, or without a parent when the root does.
    /// </summary>
    WrongOrder,

    /// <summary>A set of directories is not one tree: it has no root, several roots, or lacks a directory that is referred to.</summary>
    NotConnected,
}
