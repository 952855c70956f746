namespace Tvix.Castore.Import;

/// <summary>What a <see cref="TreeItem"/> stands for.</summary>
internal enum TreeItemKind : byte
{
    BeginDirectory,
    EndDirectory,
    Symlink,
    WholeFile,
    BeginFile,
    FilePart,
    EndFile,
}
