namespace Tvix.Castore.Export;

/// <summary>What exported files are to the files of the folder for links.</summary>
public enum LinkKind
{
    /// <summary>They are the same files, with one more name: read-only, and whoever writes to one nevertheless changes all of them. Most file systems have hard links.</summary>
    HardLink,

    /// <summary>
    /// They are files by themselves, as those of any export, whose contents are in the same blocks of the disk until one is written to; Linux calls that to clone a file (<c>FICLONE</c>). XFS and
    /// Btrfs can do it, and others that copy on write; ext4 and tmpfs cannot.
    /// </summary>
    Reflink,
}
