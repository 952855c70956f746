using System.CommandLine;
using Tvix.Castore.Import;
using Tvix.Store.Cli.Json;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>import</c></summary>
internal sealed class ImportCommand
{
    private readonly Tool _tool;
    private readonly Argument<string[]> _paths = new("PATH")
    {
        Description = "Files, folders or symbolic links.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _name = new("--name")
    {
        Description = "The name of the store path. Default: that of the file. Only with one PATH.",
        HelpName = "NAME",
    };

    private readonly Option<string[]> _references = new("--references")
    {
        Description = "A store path that the contents refer to. Can be repeated.",
        HelpName = "STOREPATH",
        Arity = new ArgumentArity(1, 100_000),
    };

    private readonly Option<bool> _scan = new("--scan-references")
    {
        Description = "Look for the hashes of all store paths in the contents; those found become references.",
    };

    private readonly Option<bool> _flat = new("--flat")
    {
        Description = "Name a single file by the hash of its contents, as nix-store --add-fixed sha256 does.",
    };

    private readonly Option<bool> _skip = new("--skip-unsupported")
    {
        Description = "Leave out sockets, pipes and devices, instead of failing.",
    };

    private readonly Option<bool> _changeCache = new("--change-cache")
    {
        Description = $"Remember the files, and read only those that changed the next time. Default: if ${ChangeCacheFile.Variable} is set.",
    };

    private readonly Option<string?> _changeCacheFile = new("--change-cache-file")
    {
        Description = $"Remember them in this file. Default: ${ChangeCacheFile.Variable}, or $XDG_CACHE_HOME/tvix-store/changes.db, where $XDG_CACHE_HOME is ~/.cache unless it is set.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _tar = new("--tar")
    {
        Description = "Import the tree in a tar archive (plain, gzip or zstd) instead; - is standard input. Needs --name.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _top = new("--tar-top")
    {
        Description = "The archive itself is the tree. Default: the one folder at its top is.",
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print an array of path infos." };

    private ImportCommand(Tool tool) => _tool = tool;

    public static Command Create(Tool tool)
    {
        ImportCommand self = new(tool);
        ToolCommand command = new(
            "import",
            "Imports files and folders, and prints their store paths, one a line: the same that nix-store --add prints.",
            "tvix-store import ./src",
            "tvix-store import --name hello-1.0 ./result --scan-references",
            "tvix-store import --change-cache ./src",
            "tvix-store import --flat --name source.tar.gz v1.0.tar.gz",
            "curl -L https://example.org/v1.0.tar.gz | tvix-store import --tar - --name source")
        {
            self._paths, self._name, self._references, self._scan, self._flat, self._skip, self._changeCache, self._changeCacheFile, self._tar, self._top, self._json,
        };
        command.SetAction(self.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult arguments, CancellationToken cancellationToken)
    {
        string[] paths = arguments.GetValue(_paths) ?? [];
        string? tar = arguments.GetValue(_tar);
        Check(arguments, paths, tar);
        await using TvixStore store = _tool.OpenStore(arguments, create: true);
        using ChangeCache? changes = tar is null
            ? ChangeCacheFile.Open(_tool.Environment, arguments.GetValue(_changeCache), arguments.GetValue(_changeCacheFile)) : null;
        List<StorePath> references = [];
        foreach (string reference in arguments.GetValue(_references) ?? [])
        {
            references.Add(await ParseReferenceAsync(store, reference, cancellationToken));
        }

        await using StreamWriter? json = arguments.GetValue(_json) ? _tool.Environment.OpenText() : null;
        JsonArrayWriter<PathInfoJson>? array = json is null ? null : new(json, ToolJson.Plain.PathInfoJson);
        foreach (string path in tar is null ? paths : [tar])
        {
            StoreImportOptions options = new()
            {
                Name = arguments.GetValue(_name),
                Method = arguments.GetValue(_flat) ? StoreImportMethod.Flat : StoreImportMethod.Recursive,
                References = references,
                ReferenceCandidates = arguments.GetValue(_scan) ? await ListAsync(store, cancellationToken) : [],
                FileSystem = { SkipUnsupported = arguments.GetValue(_skip), ChangeCache = changes },
            };
            PathInfo info = await ImportAsync(arguments, store, path, tar is not null, options, cancellationToken);
            if (array is null)
            {
                await _tool.Environment.WriteLineAsync(info.StorePath.ToAbsolutePath(store.StoreDirectory));
            }
            else
            {
                await array.WriteAsync(PathInfoJson.From(info, store.StoreDirectory));
            }
        }

        if (array is not null)
        {
            await array.EndAsync();
        }

        if (changes?.Failure is { } failure)
        {
            _tool.Environment.Error.WriteLine($"warning: {failure.Message}");
        }

        return ExitCode.Success;
    }

    private void Check(ParseResult arguments, string[] paths, string? tar)
    {
        string? fault = (tar, paths.Length) switch
        {
            (null, 0) => "Nothing to import: give a PATH, or --tar FILE.",
            (null, > 1) when arguments.GetValue(_name) is not null => "--name goes with one PATH only.",
            (null, _) when arguments.GetValue(_top) => "--tar-top goes with --tar only.",
            (not null, > 0) => "--tar FILE and a PATH cannot be imported together.",
            (not null, _) when arguments.GetValue(_name) is null => "--tar needs a --name.",
            (not null, _) when arguments.GetValue(_changeCache) || arguments.GetValue(_changeCacheFile) is not null =>
                "--change-cache is for files and folders, not for --tar.",
            (not null, _) when arguments.GetValue(_flat) => "--flat is for a single file, not for --tar.",
            _ => null,
        };
        if (fault is not null)
        {
            throw ToolException.BadCommandLine(fault);
        }
    }

    private Task<PathInfo> ImportAsync(
        ParseResult arguments, TvixStore store, string path, bool isTar, StoreImportOptions options, CancellationToken cancellationToken) =>
        WithErrorsAsync(path, () => _tool.WithProgressAsync(arguments, "importing " + Path.GetFileName(path), async progress =>
        {
            if (!isTar)
            {
                return await store.ImportAsync(path, options, progress.ForImport(), cancellationToken);
            }

            await using Stream archive = path == "-" ? _tool.Environment.OpenInput() : OpenFile(path);
            TarTopLevel topLevel = arguments.GetValue(_top) ? TarTopLevel.Whole : TarTopLevel.SingleDirectory;
            TarImportOptions tarOptions = new() { TopLevel = topLevel };
            return await store.ImportTarAsync(archive, options, tarOptions, progress.ForImport(), cancellationToken);
        }));

    /// <summary>Imports a path that a user gave, and says what is wrong with it in words for users.</summary>
    public static async Task<T> WithErrorsAsync<T>(string path, Func<Task<T>> import)
    {
        if (path.Length == 0)
        {
            throw ToolException.BadCommandLine("A PATH is empty.");
        }

        try
        {
            return await import();
        }
        catch (ArgumentException e)
        {
            throw ToolException.BadCommandLine(Tool.WithoutParameter(e), e);
        }
        catch (ImportException e) when (e.Error == ImportError.Read && !PathOnDisk.Exists(path))
        {
            throw ToolException.NotFound($"'{path}' does not exist.");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw ToolException.NotFound($"'{path}' does not exist.");
        }
    }

    private static FileStream OpenFile(string path) =>
        new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.Asynchronous | FileOptions.SequentialScan);

    /// <summary>A store path that need not be in the store, unless its name has to be looked up.</summary>
    private async Task<StorePath> ParseReferenceAsync(TvixStore store, string text, CancellationToken cancellationToken)
    {
        StoreArgument argument = StoreArgument.Parse(text, store.StoreDirectory);
        return argument is { Name: { } name, SubPath.IsRoot: true }
            ? new StorePath(argument.Digest, name)
            : (await _tool.FindStorePathAsync(store, text, cancellationToken)).StorePath;
    }

    private static async Task<List<StorePath>> ListAsync(TvixStore store, CancellationToken cancellationToken)
    {
        List<StorePath> all = [];
        await foreach (PathInfo info in store.PathInfos.ListAsync(cancellationToken))
        {
            all.Add(info.StorePath);
        }

        return all;
    }
}
