using System.CommandLine;
using Tvix.Castore.Import;
using Tvix.Castore.Model;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>ingest</c></summary>
internal static class IngestCommand
{
    public static Command Create(Tool tool)
    {
        Argument<string[]> paths = new("PATH") { Description = "Files, folders or symbolic links.", Arity = ArgumentArity.OneOrMore };
        Option<bool> skip = new("--skip-unsupported") { Description = "Leave out sockets, pipes and devices, instead of failing." };
        ToolCommand command = new(
            "ingest",
            "Stores the contents of files and folders without giving them a store path, and prints their root nodes, one a line: kind, digest and size, or a link's target.",
            "tvix-store ingest ./src")
        {
            paths, skip,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await using TvixStore store = tool.OpenStore(arguments, create: true);
            FileSystemImporter importer = new(
                store.Blobs, store.Directories, new FileSystemImportOptions { SkipUnsupported = arguments.GetValue(skip) });
            foreach (string path in arguments.GetRequiredValue(paths))
            {
                Node root = await ImportCommand.WithErrorsAsync(path, () => tool.WithProgressAsync(
                    arguments,
                    "ingesting " + Path.GetFileName(path),
                    async progress => await importer.ImportAsync(path, progress: progress.ForImport(), cancellationToken: cancellationToken)));
                await tool.Environment.WriteLineAsync(Describe(root));
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static string Describe(Node root) => root switch
    {
        Node.Directory directory => $"directory {directory.Digest} {directory.Size}",
        Node.File file => $"{(file.Executable ? "executable" : "regular")} {file.Digest} {file.Size}",
        Node.Symlink symlink => $"symlink {VisibleText.Of(symlink.Target.Bytes)}",
        _ => throw new ArgumentException("There is no such kind of node.", nameof(root)),
    };
}
