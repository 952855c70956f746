using System.CommandLine;
using System.Text;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Store.Cli.Progress;
using Tvix.Store.Nar;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>nar</c></summary>
internal sealed class NarCommand
{
    private readonly Tool _tool;
    private readonly Argument<string> _what = new("PATH|STOREPATH[/SUB]")
    {
        Description = "A store path, or something inside it; or, if the store has no such thing, a file or folder on disk. "
            + "A file on disk that is named like a store path is written as ./NAME.",
    };

    private readonly Option<bool> _skip = new("--skip-unsupported")
    {
        Description = "On disk, leave out sockets, pipes and devices, instead of failing.",
    };

    private readonly Option<bool> _hash = new("--hash")
    {
        Description = "Write the hash of the archive and its size in bytes instead of the archive: "
            + "the same hash that nix-hash --base32 prints.",
    };

    private NarCommand(Tool tool) => _tool = tool;

    public static Command Create(Tool tool)
    {
        NarCommand self = new(tool);
        ToolCommand command = new(
            "nar",
            "Writes a Nix archive to standard output: the same that nix-store --dump writes.",
            "tvix-store nar /nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60 > net-tools.nar",
            "tvix-store nar ./src | sha256sum")
        {
            self._what, self._skip, self._hash,
        };
        command.SetAction(self.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult arguments, CancellationToken cancellationToken)
    {
        string what = arguments.GetRequiredValue(_what);
        StoreArgument? inStore = StoreArgument.TryParse(what, _tool.StoreDirectory(arguments));
        bool onDisk = what.Length > 0 && PathOnDisk.Exists(what);
        if (inStore is not null && await TryWriteStoredAsync(arguments, inStore, mayBeElsewhere: onDisk, cancellationToken))
        {
            return ExitCode.Success;
        }

        if (!onDisk)
        {
            throw ToolException.NotFound(
                inStore is null ? $"'{what}' does not exist, and is no store path." : $"'{what}' is not in the store.");
        }

        FileSystemImportOptions options = new() { SkipUnsupported = arguments.GetValue(_skip) };
        await _tool.WithProgressAsync(
            arguments,
            "archiving " + Path.GetFileName(what),
            async progress => await WriteOrHashAsync(
                arguments,
                async output => await FileSystemNarWriter.WriteAsync(what, output, options, progress.ForImport(), cancellationToken),
                cancellationToken));
        return ExitCode.Success;
    }

    private async Task<ulong> WriteOrHashAsync(ParseResult arguments, Func<Stream, Task<ulong>> write, CancellationToken cancellationToken)
    {
        if (!arguments.GetValue(_hash))
        {
            return await write(_tool.Environment.Output);
        }

        await using NarHasher hasher = new();
        await write(hasher.AsStream(leaveOpen: true));
        NarDigest digest = await hasher.FinishAsync(cancellationToken);
        await _tool.Environment.Output.WriteAsync(Encoding.UTF8.GetBytes($"{digest.Sha256} {digest.Size}\n"), cancellationToken);
        return digest.Size;
    }

    private async Task<bool> TryWriteStoredAsync(
        ParseResult arguments, StoreArgument argument, bool mayBeElsewhere, CancellationToken cancellationToken)
    {
        TvixStore store;
        try
        {
            store = _tool.OpenStore(arguments);
        }
        catch (ToolException e) when (e.ExitCode == ExitCode.NotFound && mayBeElsewhere)
        {
            return false;
        }

        await using (store)
        {
            if (await Tool.TryFindAsync(store, argument, cancellationToken) is not { } item)
            {
                return false;
            }

            Node node = item.Node;
            ulong? size = item.SubPath.IsRoot ? item.Info.NarSize : null;
            await _tool.WithProgressAsync(
                arguments,
                "archiving " + item.Info.StorePath.Name,
                progress => WriteOrHashAsync(
                    arguments,
                    output => store.WriteNarAsync(node, CountedStream.Around(output, progress, size), cancellationToken),
                    cancellationToken));
            return true;
        }
    }
}
