namespace Tvix.Store.Nar;

/// <summary>What a <see cref="NarReader"/> stands on.</summary>
public enum NarTokenType
{
    /// <summary>Nothing was read yet.</summary>
    None,

    /// <summary>A regular file, whose contents come next.</summary>
    File,

    /// <summary>A symbolic link.</summary>
    Symlink,

    /// <summary>The start of a directory, whose entries come next.</summary>
    Directory,

    /// <summary>The end of a directory.</summary>
    EndDirectory,

    /// <summary>The end of the archive.</summary>
    End,
}
