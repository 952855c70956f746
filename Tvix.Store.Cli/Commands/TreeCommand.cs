using System.CommandLine;
using System.Text;
using Tvix.Castore.Model;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>tree</c></summary>
internal static class TreeCommand
{
    public static Command Create(Tool tool)
    {
        Argument<string> what = new("STOREPATH[/SUB]") { Description = "A store path, or something inside it." };
        ToolCommand command = new(
            "tree",
            "Draws what is in a store path, with sizes. Names are shown for people; ls gives them as they are.",
            "tvix-store tree 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60")
        {
            what,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await using TvixStore store = tool.OpenStore(arguments);
            StoreItem item = await tool.FindAsync(store, arguments.GetRequiredValue(what), cancellationToken);
            await using StreamWriter output = tool.Environment.OpenText();
            string subPath = item.SubPath.IsRoot ? "" : "/" + VisibleText.Of(item.SubPath.Bytes);
            await output.WriteLineAsync(item.Info.StorePath.ToAbsolutePath(store.StoreDirectory) + subPath + Describe(item.Node));
            Totals totals = default;
            totals.Add(item.Node);
            await foreach (TreeEntry entry in TreeEntry.WalkAsync(store.Directories, item.Node, recursive: true, cancellationToken))
            {
                totals.Add(entry.Node);
                StringBuilder line = new();
                for (int level = 0; level < entry.IsLast.Count - 1; level++)
                {
                    line.Append(entry.IsLast[level] ? "    " : "│   ");
                }

                line.Append(entry.IsLast[^1] ? "└── " : "├── ");
                line.Append(VisibleText.Of(entry.Path.FileName!.Value.Bytes)).Append(Describe(entry.Node));
                await output.WriteLineAsync(line, cancellationToken);
            }

            await output.WriteLineAsync();
            await output.WriteLineAsync(
                $"{totals.Directories} folders, {totals.Files} files, {totals.Symlinks} links, {ByteSize.Format(totals.Bytes)}");
            return ExitCode.Success;
        });
        return command;
    }

    private static string Describe(Node node) => node switch
    {
        Node.File file => $"{(file.Executable ? "*" : "")} ({ByteSize.Format(file.Size)})",
        Node.Symlink link => $" -> {VisibleText.Of(link.Target.Bytes)}",
        _ => "/",
    };

    private record struct Totals(long Directories, long Files, long Symlinks, double Bytes)
    {
        public void Add(Node node)
        {
            switch (node)
            {
                case Node.Directory:
                    Directories++;
                    break;
                case Node.File file:
                    Files++;
                    Bytes += file.Size;
                    break;
                case Node.Symlink:
                    Symlinks++;
                    break;
            }
        }
    }
}
