using Tvix.Store.Nix;

namespace Tvix.Store.Cli.NixDatabase;

/// <summary>Store paths of Nix as people name them: like any store path, or by something on disk that leads there, such as <c>./result</c>.</summary>
internal static class NixArgument
{
    private const int MaxLinks = 40; // as the system has it

    /// <summary>Finds the store path that an argument names. What is inside one stands for it.</summary>
    /// <exception cref="ToolException">It leads to none.</exception>
    public static StoreArgument Resolve(string argument, NixStoreLocation location)
    {
        if (argument.Length == 0)
        {
            throw ToolException.BadCommandLine("A PATH is empty.");
        }

        if (StoreArgument.TryParse(argument, location.StoreDirectory) is { } named)
        {
            return named;
        }

        string path = Path.GetFullPath(argument);
        string done = "/";
        int links = 0;
        while (true)
        {
            if (InStore(path, location) is { } found)
            {
                return found;
            }

            // The next component, which may be a link.
            string rest = path[done.Length..].TrimStart('/');
            if (rest.Length == 0)
            {
                throw ToolException.BadCommandLine($"'{argument}' is no store path, and does not lead to one.");
            }

            string next = Path.Combine(done, rest.Split('/', 2)[0]);
            if (!PathOnDisk.Exists(next))
            {
                throw ToolException.NotFound($"'{argument}' is no store path, and does not exist.");
            }

            if (new FileInfo(next).LinkTarget is not { } target)
            {
                done = next;
                continue;
            }

            if (++links > MaxLinks)
            {
                throw ToolException.Failure($"'{argument}' has too many links in it.");
            }

            string after = path[next.Length..].TrimStart('/');
            path = Path.GetFullPath(after.Length == 0 ? Path.Combine(done, target) : Path.Combine(done, target, after));
            done = "/";
        }
    }

    private static StoreArgument? InStore(string path, NixStoreLocation location)
    {
        foreach (string folder in new[] { location.StoreDirectory.Path, location.StoreFolder })
        {
            if (path.StartsWith(folder + "/", StringComparison.Ordinal))
            {
                return StoreArgument.TryParse(path[(folder.Length + 1)..], location.StoreDirectory);
            }
        }

        return null;
    }
}
