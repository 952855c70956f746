namespace Tvix.Castore.Import;

/// <summary>What kept a tree from being imported.</summary>
public enum ImportError
{
    /// <summary>Reading failed; the inner exception says how.</summary>
    Read,

    /// <summary>
    /// Something that is neither a file, nor a directory, nor a symlink: a device, a FIFO, a socket, a hard link to nothing known.
    /// </summary>
    UnsupportedFileType,

    /// <summary>A file changed while it was read.</summary>
    FileChanged,

    /// <summary>A path is absolute, leads out of the tree, or holds a name that is not allowed.</summary>
    InvalidPath,

    /// <summary>A symlink has no target, or one that is not allowed.</summary>
    InvalidSymlinkTarget,

    /// <summary>There is not exactly one entry at the top, or it is not what was asked for.</summary>
    UnexpectedTopLevel,

    /// <summary>A file has more or fewer bytes than was declared.</summary>
    UnexpectedSize,

    /// <summary>The archive ends before its end.</summary>
    TruncatedArchive,

    /// <summary>The archive is damaged, or is not one that can be read.</summary>
    InvalidArchive,

    /// <summary>The entries do not make up one tree: an entry without its directory, one after the root, no root.</summary>
    NotATree,

    /// <summary>A directory has two entries of the same name, or its size is beyond all bounds.</summary>
    InvalidDirectory,

    /// <summary>The tree is larger than the limits that the caller set.</summary>
    LimitExceeded,
}
