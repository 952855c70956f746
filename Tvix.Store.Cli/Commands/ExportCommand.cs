using System.CommandLine;
using Tvix.Castore.Export;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>export</c></summary>
internal static class ExportCommand
{
    public static Command Create(Tool tool)
    {
        Argument<string> what = new("STOREPATH[/SUB]") { Description = "A store path, or something inside it." };
        Argument<string> target = new("DESTINATION")
        {
            Description = "Where it goes. Nothing may be there yet; the folder it is in must exist.",
        };
        Option<string?> linkFolder = new("--link-folder")
        {
            Description = "Keep each distinct file once in this folder, and make the exported files hard links to it: read-only, and shared with other exports. Made if it is not there.",
            HelpName = "FOLDER",
        };
        Option<bool> reflink = new("--reflink")
        {
            Description = "Make the exported files clones of the files in that folder instead: they share their space on the disk, and are writable and independent. For XFS, Btrfs and the like.",
        };
        Option<bool> checkLinks = new("--check-links")
        {
            Description = "Read the files in that folder before they are used, and replace those that were changed. Without it, length, mode and time are looked at.",
        };
        ToolCommand command = new(
            "export",
            "Writes a store path, or something inside it, to disk.",
            "tvix-store export 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60 ./net-tools",
            "tvix-store export --link-folder ./links 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60 ./net-tools")
        {
            what, target, linkFolder, reflink, checkLinks,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string destination = arguments.GetRequiredValue(target);
            FileSystemExportOptions options = new()
            {
                LinkFolder = arguments.GetValue(linkFolder),
                LinkKind = arguments.GetValue(reflink) ? LinkKind.Reflink : LinkKind.HardLink,
                CheckLinks = arguments.GetValue(checkLinks),
            };
            if (options is { LinkKind: LinkKind.Reflink, LinkFolder: null })
            {
                throw ToolException.BadCommandLine("--reflink is about the files of --link-folder, which is missing.");
            }

            if (options is { CheckLinks: true, LinkFolder: null })
            {
                throw ToolException.BadCommandLine("--check-links is about the files of --link-folder, which is missing.");
            }

            if (options.LinkFolder is { Length: 0 })
            {
                throw ToolException.BadCommandLine("--link-folder is empty.");
            }

            await using TvixStore store = tool.OpenStore(arguments);
            StoreItem item = await tool.FindAsync(store, arguments.GetRequiredValue(what), cancellationToken);
            try
            {
                ExportResult result = await tool.WithProgressAsync(arguments, "exporting " + item.Info.StorePath.Name, async progress =>
                {
                    ulong? size = item.SubPath.IsRoot ? item.Info.NarSize : null;
                    return await store.ExportAsync(item.Node, destination, options, progress.ForExport(size), cancellationToken);
                });
                if (result.LinkFailure is { } failure)
                {
                    tool.Environment.Error.WriteLine($"notice: '{options.LinkFolder}' is not used for all files, which are copies: {failure}");
                }

                return ExitCode.Success;
            }
            catch (ArgumentException e)
            {
                throw ToolException.BadCommandLine(Tool.WithoutParameter(e), e);
            }
        });
        return command;
    }
}
