using Tvix.Castore.Import;

namespace Tvix.Store.Cli;

/// <summary>Where imports remember files.</summary>
internal static class ChangeCacheFile
{
    public const string Variable = "TVIX_CHANGE_CACHE";

    /// <summary>Opens the cache that the command line or the environment asks for; <see langword="null"/> when neither does.</summary>
    /// <param name="environment">The environment.</param>
    /// <param name="wanted">Whether the command line asks for one.</param>
    /// <param name="file">The file that it names; <see langword="null"/> for none.</param>
    public static ChangeCache? Open(ToolEnvironment environment, bool wanted, string? file)
    {
        if (file is { Length: 0 })
        {
            throw ToolException.BadCommandLine("--change-cache-file is empty.");
        }

        file ??= NonEmpty(environment.GetVariable(Variable));
        return file is not null ? ChangeCache.Open(file) : wanted ? ChangeCache.Open(DefaultFile(environment)) : null;
    }

    private static string DefaultFile(ToolEnvironment environment)
    {
        string? caches = NonEmpty(environment.GetVariable("XDG_CACHE_HOME"));
        if (caches is null)
        {
            string home = NonEmpty(environment.GetVariable("HOME"))
                ?? throw ToolException.BadCommandLine($"Neither --change-cache-file nor ${Variable} nor $HOME says where the change cache is.");
            caches = Path.Combine(home, ".cache");
        }

        return Path.Combine(caches, "tvix-store", "changes.db");
    }

    private static string? NonEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
