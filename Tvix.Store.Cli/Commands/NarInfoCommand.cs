using System.CommandLine;
using Tvix.Store.Cli.Json;
using Tvix.Store.NarInfos;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>narinfo</c></summary>
internal static class NarInfoCommand
{
    public static Command Create(Tool tool)
    {
        Argument<string> path = new("STOREPATH") { Description = "The store path." };
        Option<bool> json = new("--json") { Description = "Print an object instead." };
        ToolCommand command = new(
            "narinfo",
            "Prints what a binary cache says about a store path. "
            + "The URL names the root of the tree, so that a cache can make the archive when it is asked for.",
            "tvix-store narinfo 00bgd045z0d4icpbc2yyz4gx48ak44la")
        {
            path, json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await using TvixStore store = tool.OpenStore(arguments);
            PathInfo info = await tool.FindStorePathAsync(store, arguments.GetRequiredValue(path), cancellationToken);
            NarInfo narInfo = info.ToNarInfo(BinaryCacheFileName.FormatCastoreNar(info.Node, info.NarSize));
            if (arguments.GetValue(json))
            {
                NarInfoJson shown = NarInfoJson.From(narInfo, store.StoreDirectory);
                await tool.Environment.WriteLineAsync(ToolJson.Format(shown, ToolJson.Plain.NarInfoJson));
            }
            else
            {
                await tool.Environment.Output.WriteAsync(narInfo.ToUtf8(store.StoreDirectory), cancellationToken);
            }

            return ExitCode.Success;
        });
        return command;
    }
}
