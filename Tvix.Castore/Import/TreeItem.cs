using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>One step of a tree.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">The name in the directory that is open; default for the root and for what ends or goes on.</param>
/// <param name="Target">A symlink's target.</param>
/// <param name="Offset">Where the contents begin in the batch's buffer.</param>
/// <param name="Length">How many bytes of contents there are.</param>
/// <param name="Size">The file's size in bytes.</param>
/// <param name="Executable">Whether the file's owner may execute it.</param>
/// <param name="Digest">Of a file that begins, the digest of its contents, if it was found out beforehand; of one that is not read, the digest.</param>
/// <param name="Files">Of a directory that ends, what takes note of its files; <see langword="null"/> without a <see cref="ChangeCache"/>.</param>
internal readonly record struct TreeItem(
    TreeItemKind Kind,
    PathComponent Name = default,
    SymlinkTarget Target = default,
    int Offset = 0,
    int Length = 0,
    ulong Size = 0,
    bool Executable = false,
    B3Digest? Digest = null,
    RememberedFiles? Files = null);
