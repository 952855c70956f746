using System.CommandLine;

namespace Tvix.Store.Cli;

/// <summary>The options of every command.</summary>
internal sealed class GlobalOptions
{
    public const string StoreVariable = "TVIX_STORE";

    public Option<string?> Store { get; } = new("--store")
    {
        Description = "The store: local:FOLDER, with parameters as in 'local:/srv/store?compression=zstd', or that of a daemon, as in grpc+http://HOST:8000, "
            + "grpc+https://HOST and grpc+unix:/run/tvix-store.sock. "
            + $"Default: ${StoreVariable}, or local:$XDG_DATA_HOME/tvix-store, where $XDG_DATA_HOME is ~/.local/share unless it is set.",
        HelpName = "ADDRESS",
        Recursive = true,
    };

    public Option<string?> StoreDirectory { get; } = new("--store-dir")
    {
        Description = "The store directory that store paths are in. Default: /nix/store. It takes part in the computation of store paths.",
        HelpName = "PATH",
        Recursive = true,
    };

    public Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "Do not show progress.", Recursive = true };
}
