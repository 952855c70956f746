using System.CommandLine;
using Tvix.Castore.Model;
using Tvix.Store.Cli.Progress;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>cat</c></summary>
internal static class CatCommand
{
    private const int CopyLength = 1 << 20;

    public static Command Create(Tool tool)
    {
        Argument<string> what = new("STOREPATH[/FILE]") { Description = "A file inside a store path, or a store path that is a file." };
        ToolCommand command = new(
            "cat",
            "Writes the contents of a file to standard output.",
            "tvix-store cat 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60/share/doc/README")
        {
            what,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string text = arguments.GetRequiredValue(what);
            await using TvixStore store = tool.OpenStore(arguments);
            StoreItem item = await tool.FindAsync(store, text, cancellationToken);
            if (item.Node is not Node.File file)
            {
                throw ToolException.Failure(
                    item.Node is Node.Symlink link ? $"'{text}' is a symbolic link to '{link.Target}'." : $"'{text}' is a folder.");
            }

            await using Stream contents = (await store.OpenFileAsync(file, cancellationToken: cancellationToken))!;
            return await tool.WithProgressAsync(arguments, "reading", async progress =>
            {
                Stream output = CountedStream.Around(tool.Environment.Output, progress, file.Size);
                await contents.CopyToAsync(output, CopyLength, cancellationToken);
                return ExitCode.Success;
            });
        });
        return command;
    }
}
