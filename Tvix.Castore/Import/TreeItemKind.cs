namespace Tvix.Castore.Import;

/// <summary>What a <see cref="TreeItem"/> stands for.</summary>
internal enum TreeItemKind : byte
{
    BeginDirectory,
    EndDirectory,
    Symlink,
    WholeFile,

    /// <summary>A file that was not read, since its digest is remembered.</summary>
    KnownFile,
    BeginFile,
    FilePart,
    EndFile,
}
