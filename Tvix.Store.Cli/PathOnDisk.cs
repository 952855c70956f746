namespace Tvix.Store.Cli;

/// <summary>Questions about paths on disk.</summary>
internal static class PathOnDisk
{
    /// <summary>Whether there is anything, a link that leads nowhere included.</summary>
    public static bool Exists(string path) => Path.Exists(path) || new FileInfo(path).LinkTarget is not null;
}
