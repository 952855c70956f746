namespace Tvix.Castore.Import;

/// <summary>What a member of a tar archive is, as far as an import can tell them apart.</summary>
internal enum TarEntryKind
{
    File,
    Directory,
    Symlink,
    HardLink,
    Unsupported,
}
