using System.Buffers;
using System.CommandLine;
using System.Globalization;
using System.Text;
using Tvix.Castore.Model;
using Tvix.Store.Nar;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>ls</c></summary>
internal sealed class ListingCommand
{
    private readonly Tool _tool;
    private readonly Argument<string> _what = new("STOREPATH[/SUB]") { Description = "A store path, or something inside it." };
    private readonly Option<bool> _long = new("--long", "-l") { Description = "Show kinds, modes, sizes and where links lead." };
    private readonly Option<bool> _recursive = new("--recursive", "-R") { Description = "Show what is in folders, too." };
    private readonly Option<bool> _json = new("--json") { Description = "Print the listing of the archive, as nix nar ls --json does." };

    private ListingCommand(Tool tool) => _tool = tool;

    public static Command Create(Tool tool)
    {
        ListingCommand self = new(tool);
        ToolCommand command = new(
            "ls",
            "Lists what is in a store path.",
            "tvix-store ls -l 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60/bin",
            "tvix-store ls --json -R 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60")
        {
            self._what, self._long, self._recursive, self._json,
        };
        command.SetAction(self.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult arguments, CancellationToken cancellationToken)
    {
        await using TvixStore store = _tool.OpenStore(arguments);
        StoreItem item = await _tool.FindAsync(store, arguments.GetRequiredValue(_what), cancellationToken);
        bool recursive = arguments.GetValue(_recursive);
        if (arguments.GetValue(_json))
        {
            // Offsets are those in the archive of the store path, wherever the listing begins.
            NarListing listing = await NarListing.CreateAsync(item.Info.Node, store.Directories, int.MaxValue, cancellationToken);
            ArrayBufferWriter<byte> json = new();
            NarListing.WriteNodeTo(json, listing.Locate(item.SubPath.Bytes)!, recursive);
            json.Write("\n"u8);
            await _tool.Environment.Output.WriteAsync(json.WrittenMemory, cancellationToken);
            return ExitCode.Success;
        }

        BufferedStream output = new(_tool.Environment.Output, 64 << 10);
        bool isLong = arguments.GetValue(_long);
        if (item.Node is not Node.Directory)
        {
            byte[] name = item.SubPath.FileName is { } file ? file.Bytes.ToArray() : Encoding.UTF8.GetBytes(item.Info.StorePath.ToString());
            WriteLine(output, name, item.Node, isLong);
        }

        await foreach (TreeEntry entry in TreeEntry.WalkAsync(store.Directories, item.Node, recursive, cancellationToken))
        {
            WriteLine(output, entry.Path.Bytes, entry.Node, isLong);
        }

        output.Flush();
        return ExitCode.Success;
    }

    private void WriteLine(Stream output, ReadOnlySpan<byte> name, Node node, bool isLong)
    {
        if (isLong)
        {
            (string mode, ulong size) = node switch
            {
                Node.File file => (file.Executable ? "-r-xr-xr-x" : "-r--r--r--", file.Size),
                Node.Symlink => ("lrwxrwxrwx", 0UL),
                _ => ("dr-xr-xr-x", 0UL),
            };
            output.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{mode} {size,20} ")));
        }

        Write(output, name);
        if (isLong && node is Node.Symlink link)
        {
            output.Write(" -> "u8);
            Write(output, link.Target.Bytes);
        }

        output.Write("\n"u8);
    }

    private void Write(Stream output, ReadOnlySpan<byte> bytes) =>
        output.Write(_tool.Environment.OutputIsTerminal ? Encoding.UTF8.GetBytes(VisibleText.Of(bytes)) : bytes);
}
