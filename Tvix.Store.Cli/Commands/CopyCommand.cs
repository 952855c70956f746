using System.CommandLine;
using Tvix.Castore.Composition;
using Tvix.Store.Cli.Json;
using Tvix.Store.Composition;
using Tvix.Store.Copy;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>copy</c></summary>
internal sealed class CopyCommand
{
    private readonly Tool _tool;
    private readonly Argument<string> _from = new("FROM") { Description = "The address of the store that has the store paths." };
    private readonly Argument<string> _to = new("TO") { Description = "The address of the store that they go to; a local one is made if it does not exist." };
    private readonly Argument<string[]> _paths = new("STOREPATH") { Description = "Store paths.", Arity = ArgumentArity.ZeroOrMore };
    private readonly Option<bool> _all = new("--all") { Description = "Copy all store paths of FROM." };
    private readonly Option<bool> _noReferences = new("--no-references") { Description = "Leave out what the store paths refer to." };

    private readonly Option<bool> _overwrite = new("--overwrite")
    {
        Description = "Replace what TO says of a store path when FROM says something else, instead of failing.",
    };

    private readonly Option<bool> _check = new("--check-contents")
    {
        Description = "Look through the contents of store paths that TO has already, and copy what is missing.",
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print an object instead; sizes are in bytes." };

    private CopyCommand(Tool tool) => _tool = tool;

    public static Command Create(Tool tool)
    {
        CopyCommand self = new(tool);
        ToolCommand command = new(
            "copy",
            "Copies store paths, and what they refer to, from one store to another. "
            + "Only what TO lacks is moved; after an interruption, copy again. --store does not count.",
            "tvix-store copy local:/srv/store local:/mnt/backup 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60",
            "tvix-store copy --all local:/srv/store local:/mnt/backup",
            "tvix-store copy nix+https://cache.example.org local:/srv/store 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60")
        {
            self._from, self._to, self._paths, self._all, self._noReferences, self._overwrite, self._check, self._json,
        };
        command.SetAction(self.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult arguments, CancellationToken cancellationToken)
    {
        string[] names = arguments.GetValue(_paths) ?? [];
        bool all = arguments.GetValue(_all);
        if (all == names.Length > 0)
        {
            throw ToolException.BadCommandLine(all ? "--all and a STOREPATH cannot be given together." : "Nothing to copy: give a STOREPATH, or --all.");
        }

        StoreAddress from = Tool.ParseAddress(arguments.GetRequiredValue(_from));
        StoreAddress to = Tool.ParseAddress(arguments.GetRequiredValue(_to));
        await using TvixStore source = _tool.OpenStoreAt(arguments, from);
        List<StorePath> paths = [];
        foreach (string name in names)
        {
            paths.Add(await FindAsync(source, name, cancellationToken));
        }

        await using TvixStore target = _tool.OpenStoreAt(arguments, to, create: true);
        StoreCopier copier = new(source, target, new CopyOptions
        {
            IncludeReferences = !arguments.GetValue(_noReferences),
            Overwrite = arguments.GetValue(_overwrite),
            CheckContents = arguments.GetValue(_check),
            ReadChunksFromTarget = Tool.IsNear(to),
        });
        string what = paths.Count == 1 ? "copying " + paths[0].Name : "copying";
        CopyResult result = await _tool.WithProgressAsync(arguments, what, progress => all
            ? copier.CopyAllAsync(progress.ForCopy(), cancellationToken)
            : copier.CopyAsync(paths, progress.ForCopy(), cancellationToken));

        await _tool.Environment.WriteLineAsync(arguments.GetValue(_json)
            ? ToolJson.Format(CopyJson.From(result), ToolJson.Plain.CopyJson)
            : $"{result.CopiedPaths.Count} store paths copied, {result.PathsAlreadyThere} already there; "
                + $"{ByteSize.Format(result.BytesCopied)} moved, {ByteSize.Format(result.BytesSaved)} saved.");
        return ExitCode.Success;
    }

    /// <summary>Finds a store path that an argument names, without having its contents fetched where the store would have to.</summary>
    private async Task<StorePath> FindAsync(TvixStore source, string name, CancellationToken cancellationToken) =>
        ServiceCapabilities.Find<INarInfoService>(source.PathInfos) is { } narInfos
        && StoreArgument.Parse(name, source.StoreDirectory) is { SubPath.IsRoot: true } argument
        && await narInfos.GetNarInfoAsync(argument.Digest, cancellationToken) is { } narInfo
        && (argument.Name is null || argument.Name == narInfo.StorePath.Name)
            ? narInfo.StorePath
            : (await _tool.FindStorePathAsync(source, name, cancellationToken)).StorePath;
}
