namespace Tvix.Castore.Export;

/// <summary>How far an export has come.</summary>
/// <param name="Files">The number of files written or linked.</param>
/// <param name="Directories">The number of folders made.</param>
/// <param name="Symlinks">The number of symbolic links made.</param>
/// <param name="Bytes">The number of bytes written to files, and of those in linked files.</param>
public readonly record struct ExportProgress(long Files, long Directories, long Symlinks, long Bytes);
