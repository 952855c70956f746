using System.CommandLine;
using Tvix.Store.Cli.Json;
using Tvix.Store.Cli.Keys;
using Tvix.Store.Cli.NixDatabase;
using Tvix.Store.Cli.Push;
using Tvix.Store.Nix;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>push</c></summary>
internal sealed class PushCommand
{
    private readonly Tool _tool;
    private readonly Argument<string[]> _paths = new("PATH")
    {
        Description = "Store paths of Nix, or links that lead to them, such as ./result.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<bool> _all = new("--all") { Description = "Push all store paths that are valid in the store of Nix." };
    private readonly Option<string?> _to = new("--to")
    {
        Description = "The address of the store that they go to; a local one is made if it does not exist. Default: the store of --store.",
        HelpName = "ADDRESS",
    };

    private readonly Option<string[]> _keys = new("--key-file", "-k")
    {
        Description = "Also sign with the secret key in this file. Can be repeated.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _root = new("--nix-root")
    {
        Description = "The folder that the store of Nix is below, as in nix --store DIR. Default: /.",
        HelpName = "DIR",
    };

    private readonly Option<string?> _state = new("--nix-state-dir")
    {
        Description = "The folder with the database of Nix, db/db.sqlite. Default: /nix/var/nix.",
        HelpName = "DIR",
    };

    private readonly Option<string?> _folder = new("--nix-store-dir")
    {
        Description = "The folder with the files of Nix. Default: that of --store-dir, /nix/store.",
        HelpName = "DIR",
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print an object instead; sizes are in bytes." };

    private PushCommand(Tool tool) => _tool = tool;

    public static Command Create(Tool tool)
    {
        PushCommand self = new(tool);
        ToolCommand command = new(
            "push",
            "Stores what Nix has on this machine: store paths and all that they refer to, with signatures, deriver and content address. "
            + "Only what the target lacks is read; after an interruption, push again.",
            "tvix-store push ./result --to grpc+https://store.example.org",
            "tvix-store push /run/current-system --to local:/srv/store",
            "tvix-store push --all --to local:/srv/store --key-file cache.secret",
            "tvix-store push --nix-root /mnt 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60")
        {
            self._paths, self._all, self._to, self._keys, self._root, self._state, self._folder, self._json,
        };
        command.SetAction(self.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult arguments, CancellationToken cancellationToken)
    {
        string[] paths = arguments.GetValue(_paths) ?? [];
        bool all = arguments.GetValue(_all);
        if (all == paths.Length > 0)
        {
            throw ToolException.BadCommandLine(all ? "--all and a PATH cannot be given together." : "Nothing to push: give a PATH, or --all.");
        }

        StoreDirectory directory = _tool.StoreDirectory(arguments);
        NixStoreLocation location = Locate(arguments, directory);
        KeySigner? signer = arguments.GetValue(_keys) is { Length: > 0 } files
            ? new KeySigner([.. files.Select(file => SecretKeyFile.Read(file, _tool.Environment.Error))], directory)
            : null;
        IReadOnlyList<NixPathRecord> records = new NixDatabaseReader(location)
            .ReadClosure(all ? null : [.. paths.Select(path => NixArgument.Resolve(path, location))], cancellationToken);

        await using TvixStore target = arguments.GetValue(_to) is { } address
            ? _tool.OpenStoreAt(arguments, Tool.ParseAddress(address), create: true)
            : _tool.OpenStore(arguments, create: true);
        NixPusher pusher = new(location, target, signer);
        PushResult result = await _tool.WithProgressAsync(arguments, "pushing", progress => pusher.PushAsync(records, progress, cancellationToken));
        await _tool.Environment.WriteLineAsync(arguments.GetValue(_json)
            ? ToolJson.Format(PushJson.From(result), ToolJson.Plain.PushJson)
            : $"{result.Pushed} store paths pushed, {result.AlreadyThere} already there; {ByteSize.Format(result.BytesRead)} read.");
        return ExitCode.Success;
    }

    private NixStoreLocation Locate(ParseResult arguments, StoreDirectory directory)
    {
        (string? root, string? state, string? folder) = (arguments.GetValue(_root), arguments.GetValue(_state), arguments.GetValue(_folder));
        if (root is "" || state is "" || folder is "")
        {
            throw ToolException.BadCommandLine("The name of a folder is empty.");
        }

        return root is null
            ? NixStoreLocation.At(state, folder, directory)
            : state is null && folder is null
                ? NixStoreLocation.Below(root, directory)
                : throw ToolException.BadCommandLine("--nix-root says where both folders are; give it alone, or --nix-state-dir and --nix-store-dir.");
    }
}
