using System.CommandLine;
using Tvix.Store.Cli.Json;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>info</c></summary>
internal static class InfoCommand
{
    public static Command Create(Tool tool)
    {
        Argument<string> path = new("STOREPATH") { Description = "The store path." };
        Option<bool> json = new("--json")
        {
            Description = "Print an object instead, with the keys of nix path-info --json and the root node.",
        };
        ToolCommand command = new("info", "Shows all that is known about a store path.", "tvix-store info 00bgd045z0d4icpbc2yyz4gx48ak44la")
        {
            path, json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await using TvixStore store = tool.OpenStore(arguments);
            PathInfo info = await tool.FindStorePathAsync(store, arguments.GetRequiredValue(path), cancellationToken);
            PathInfoJson shown = PathInfoJson.From(info, store.StoreDirectory);
            if (arguments.GetValue(json))
            {
                await tool.Environment.WriteLineAsync(ToolJson.Format(shown, ToolJson.Plain.PathInfoJson));
                return ExitCode.Success;
            }

            await using StreamWriter output = tool.Environment.OpenText();
            await WriteAsync(output, "Store path", shown.Path);
            await WriteAsync(output, "NAR hash", shown.NarHash);
            await WriteAsync(output, "NAR size", $"{shown.NarSize} ({ByteSize.Format(shown.NarSize)})");
            await WriteAsync(output, "Content address", shown.Ca ?? "none");
            await WriteAsync(output, "Deriver", shown.Deriver ?? "unknown");
            await WriteAsync(output, "References", shown.References is [] ? ["none"] : shown.References);
            await WriteAsync(output, "Signatures", shown.Signatures is [] ? ["none"] : shown.Signatures);
            await WriteAsync(output, "Root", shown.Node switch
            {
                { Target: { } target } => $"symlink to {target}",
                { Executable: true } file => $"executable file {file.Digest}, {file.Size} bytes",
                { Executable: false } file => $"file {file.Digest}, {file.Size} bytes",
                { } folder => $"folder {folder.Digest}, size {folder.Size}",
            });
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>Writes a field, with further values below the first.</summary>
    private static async Task WriteAsync(StreamWriter output, string label, params string[] values)
    {
        foreach (string value in values)
        {
            await output.WriteLineAsync($"{label + (label.Length > 0 ? ":" : ""),-17}{value}");
            label = "";
        }
    }
}
