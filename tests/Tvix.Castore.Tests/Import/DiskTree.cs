using System.Runtime.InteropServices;
using System.Text;
using Tvix.Castore.Blake3;
using Tvix.Castore.Export;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Import;

/// <summary>Makes and looks at trees on disk whose names .NET cannot write.</summary>
internal static partial class DiskTree
{
    /// <summary>Makes folders one in the other, deeper than any path can be.</summary>
    public static void MakeDeep(string root, int depth, string fileAtTheEnd)
    {
        int folder = OpenFolder(root);
        for (int i = 0; i < depth; i++)
        {
            byte[] name = Encoding.ASCII.GetBytes("level-with-a-name-of-some-length\0");
            Check(LibC.MakeDirectoryAt(folder, name, 0x1ff));
            int child = Check(LibC.OpenAt(folder, name, LibC.ReadOnly | LibC.Directory));
            _ = LibC.Close(folder);
            folder = child;
        }

        WriteFile(folder, Encoding.ASCII.GetBytes(fileAtTheEnd), "the end"u8);
        _ = LibC.Close(folder);
    }

    public static int OpenFolder(string path) => Check(LibC.OpenAt(LibC.CurrentFolder, [.. Encoding.UTF8.GetBytes(path), 0], LibC.ReadOnly | LibC.Directory));

    public static void WriteFile(string folder, byte[] name, ReadOnlySpan<byte> content)
    {
        int descriptor = OpenFolder(folder);
        WriteFile(descriptor, name, content);
        _ = LibC.Close(descriptor);
    }

    private static void WriteFile(int folder, byte[] name, ReadOnlySpan<byte> content)
    {
        int file = Check(LibC.OpenAt(folder, [.. name, 0], LibC.WriteOnly | LibC.Create | LibC.Exclusive, 0x1a4));
        Check((int)LibC.Write(file, content));
        _ = LibC.Close(file);
    }

    public static void MakeLink(string folder, byte[] name, byte[] target)
    {
        int descriptor = OpenFolder(folder);
        Check(LibC.SymlinkAt([.. target, 0], descriptor, [.. name, 0]));
        _ = LibC.Close(descriptor);
    }

    public static void MakePipe(string path) => Check(MakeFifo(path, 0x1b6));

    public static void MakeHardLink(string existing, string path) => Check(Link(existing, path));

    /// <summary>Empties a folder.</summary>
    public static void RemoveFrom(string folder)
    {
        int descriptor = OpenFolder(folder);
        foreach (string name in Directory.EnumerateFileSystemEntries(folder).ToList())
        {
            FolderRemoval.TryRemove(descriptor, new PathComponent(Path.GetFileName(name)));
        }

        _ = LibC.Close(descriptor);
    }

    /// <summary>One line per entry, by name: kind, executable bit, bytes.</summary>
    public static List<string> Show(string root)
    {
        List<string> lines = [];
        Show(LibC.CurrentFolder, Encoding.UTF8.GetBytes(root), ".", lines);
        return lines;
    }

    private static void Show(int parent, byte[] name, string shown, List<string> lines)
    {
        byte[] terminated = [.. name, 0];
        Check(LibC.StatAt(parent, terminated, out LibC.FileStatus status));
        switch (status.Type)
        {
            case LibC.FileType.Folder:
                lines.Add(shown + "/");
                int folder = Check(LibC.OpenAt(parent, terminated, LibC.ReadOnly | LibC.Directory | LibC.NoFollow));
                Check(Castore.Import.FolderListing.TryRead(folder, new byte[4096], default, out Castore.Import.FolderListing listing));
                for (int i = 0; i < listing.Count; i++)
                {
                    byte[] child = listing.NameWithNull(i)[..^1].ToArray();
                    Show(folder, child, $"{shown}/{Encoding.Latin1.GetString(child)}", lines);
                }

                listing.Dispose();
                _ = LibC.Close(folder);
                break;
            case LibC.FileType.Regular:
                byte[] content = new byte[status.Length];
                int file = Check(LibC.OpenAt(parent, terminated, LibC.ReadOnly));
                for (int read = 0; read < content.Length;)
                {
                    read += Check((int)LibC.Read(file, content.AsSpan(read)));
                }

                _ = LibC.Close(file);
                lines.Add($"{shown}{(status.IsExecutable ? "*" : "")} {content.Length} {Blake3Hasher.HashData(content)}");
                break;
            default:
                byte[] target = new byte[5000];
                int length = Check((int)LibC.ReadLinkAt(parent, terminated, target));
                lines.Add($"{shown} -> {Encoding.Latin1.GetString(target, 0, length)}");
                break;
        }
    }

    /// <summary>How many descriptors of files and folders below a path this process has open.</summary>
    public static int CountOpen(string below) =>
        Directory.EnumerateFiles("/proc/self/fd").Count(link => File.ResolveLinkTarget(link, false) is { } target && target.FullName.StartsWith(below, StringComparison.Ordinal));

    private static int Check(int result) => result >= 0 ? result : throw LibC.ErrorOf(LibC.LastError);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Link(string existing, string path);

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MakeFifo(string path, uint mode);
}
