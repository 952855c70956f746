using System.CommandLine;
using System.Globalization;
using Tvix.Store.Cli.Json;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>stats</c></summary>
internal static class StatsCommand
{
    public static Command Create(Tool tool)
    {
        Option<bool> json = new("--json") { Description = "Print an object instead; sizes are in bytes." };
        ToolCommand command = new("stats", "Shows what the store holds, and how well it deduplicates.", "tvix-store stats")
        {
            json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await using TvixStore store = tool.OpenStore(arguments);
            StatisticsJson shown = StatisticsJson.From(await store.GetStatisticsAsync(cancellationToken));
            if (arguments.GetValue(json))
            {
                await tool.Environment.WriteLineAsync(ToolJson.Format(shown, ToolJson.Plain.StatisticsJson));
                return ExitCode.Success;
            }

            await using StreamWriter output = tool.Environment.OpenText();
            await WriteAsync(output, "Store paths", shown.StorePaths, isBytes: false);
            await WriteAsync(output, "NARs together", shown.NarBytes, isBytes: true);
            await WriteAsync(output, "Unique data", shown.UniqueBytes, isBytes: true);
            await WriteAsync(output, "Stored", shown.StoredBytes, isBytes: true);
            await WriteAsync(output, "Index", shown.IndexBytes, isBytes: true);
            await WriteAsync(output, "Chunks", shown.Chunks, isBytes: false);
            await WriteAsync(output, "Chunked blobs", shown.ChunkedBlobs, isBytes: false);
            await WriteAsync(output, "Directories", shown.Directories, isBytes: false);
            if (shown.DeduplicationRatio is { } ratio)
            {
                await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{"NARs to stored:",-17}{ratio:0.00}"));
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static async Task WriteAsync(StreamWriter output, string label, double? value, bool isBytes)
    {
        if (value is { } number)
        {
            string exact = number.ToString("0", CultureInfo.InvariantCulture);
            await output.WriteLineAsync($"{label + ":",-17}{exact}{(isBytes ? $" ({ByteSize.Format(number)})" : "")}");
        }
    }
}
