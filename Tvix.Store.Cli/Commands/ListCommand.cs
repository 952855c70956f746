using System.CommandLine;
using Tvix.Store.Cli.Json;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>list</c></summary>
internal static class ListCommand
{
    public static Command Create(Tool tool)
    {
        Option<bool> json = new("--json") { Description = "Print an array of path infos instead, one a line." };
        ToolCommand command = new(
            "list", "Lists the store paths, one a line, in no particular order.", "tvix-store list", "tvix-store list --json")
        {
            json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await using TvixStore store = tool.OpenStore(arguments);
            await using StreamWriter output = tool.Environment.OpenText();
            JsonArrayWriter<PathInfoJson>? array = arguments.GetValue(json) ? new(output, ToolJson.Plain.PathInfoJson) : null;
            await foreach (PathInfo info in store.PathInfos.ListAsync(cancellationToken))
            {
                await (array is null
                    ? output.WriteLineAsync(info.StorePath.ToAbsolutePath(store.StoreDirectory))
                    : array.WriteAsync(PathInfoJson.From(info, store.StoreDirectory)));
            }

            await (array?.EndAsync() ?? Task.CompletedTask);
            return ExitCode.Success;
        });
        return command;
    }
}
