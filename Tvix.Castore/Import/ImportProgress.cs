namespace Tvix.Castore.Import;

/// <summary>How far an import has come. Reported now and then, and once at the end.</summary>
/// <param name="Files">Regular files taken so far.</param>
/// <param name="Directories">Directories taken so far.</param>
/// <param name="Symlinks">Symlinks taken so far.</param>
/// <param name="Bytes">Bytes of file contents read so far.</param>
public readonly record struct ImportProgress(long Files, long Directories, long Symlinks, long Bytes);
