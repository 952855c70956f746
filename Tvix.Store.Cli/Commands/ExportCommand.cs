using System.CommandLine;

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
        ToolCommand command = new(
            "export",
            "Writes a store path, or something inside it, to disk.",
            "tvix-store export 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60 ./net-tools")
        {
            what, target,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string destination = arguments.GetRequiredValue(target);
            await using TvixStore store = tool.OpenStore(arguments);
            StoreItem item = await tool.FindAsync(store, arguments.GetRequiredValue(what), cancellationToken);
            try
            {
                return await tool.WithProgressAsync(arguments, "exporting " + item.Info.StorePath.Name, async progress =>
                {
                    ulong? size = item.SubPath.IsRoot ? item.Info.NarSize : null;
                    await store.ExportAsync(item.Node, destination, progress.ForExport(size), cancellationToken);
                    return ExitCode.Success;
                });
            }
            catch (ArgumentException e)
            {
                throw ToolException.BadCommandLine(Tool.WithoutParameter(e), e);
            }
        });
        return command;
    }
}
