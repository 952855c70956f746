namespace Tvix.Castore.Model;

/// <summary>
/// How the size of a directory with N entries is computed. Two rules are in use on the wire; servers that run today check the second.
/// </summary>
public enum DirectorySizeRule
{
    /// <summary>2·N plus the sizes of the child directories. What living servers compute and check; the default.</summary>
    EntriesTwice,

    /// <summary>
    /// N plus the sizes of the child directories, as the format was documented. Found in data written before August 2024.
    /// </summary>
    EntriesOnce,
}
