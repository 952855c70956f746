using System.CommandLine;
using Tvix.Castore.Local;
using Tvix.Store.Cli.Json;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>rebuild-index</c></summary>
internal static class RebuildIndexCommand
{
    public static Command Create(Tool tool)
    {
        Option<bool> json = new("--json") { Description = "Print an object instead." };
        ToolCommand command = new(
            "rebuild-index",
            "Makes the index of a local store anew from its packs, and keeps the old one aside. "
            + "Damaged records are left out, so that what they held can be imported again. No other process may use the store meanwhile.",
            "tvix-store rebuild-index")
        {
            json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string folder = tool.LocalFolder(arguments);
            LocalIndexRebuild rebuild =
                await tool.WithProgressAsync(arguments, "rebuilding the index", _ => LocalStore.RebuildIndexAsync(folder));
            await tool.Environment.WriteLineAsync(arguments.GetValue(json)
                ? ToolJson.Format(RebuildJson.From(rebuild), ToolJson.Plain.RebuildJson)
                : $"{rebuild.Records} records in {rebuild.Packs} packs; {rebuild.SkippedBytes} damaged bytes left out. "
                    + $"The old index is {rebuild.OldIndex ?? "missing"}.");
            return ExitCode.Success;
        });
        return command;
    }
}
