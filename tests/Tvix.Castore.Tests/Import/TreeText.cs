using System.Text;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Import;

/// <summary>Trees as lines of text, for tests.</summary>
internal static class TreeText
{
    /// <summary>
    /// One line per entry below the root, in the order of the names: <c>name/</c>, <c>name=content</c>, <c>name*=content</c>,
    /// <c>name->target</c>.
    /// </summary>
    public static async Task<List<string>> ShowAsync(IBlobService blobs, IDirectoryService directories, Node root, string prefix = "")
    {
        List<string> lines = [];
        CastoreDirectory directory = (await directories.GetAsync(((Node.Directory)root).Digest))!;
        foreach (DirectoryEntry entry in directory)
        {
            string path = prefix + Encoding.Latin1.GetString(entry.Name.Bytes);
            switch (entry.Node)
            {
                case Node.Directory:
                    lines.Add(path + "/");
                    lines.AddRange(await ShowAsync(blobs, directories, entry.Node, path + "/"));
                    break;
                case Node.Symlink link:
                    lines.Add($"{path}->{Encoding.Latin1.GetString(link.Target.Bytes)}");
                    break;
                case Node.File file:
                    using (BlobContent? content = await blobs.ReadAsync(file.Digest, 1 << 20))
                    {
                        lines.Add($"{path}{(file.Executable ? "*" : "")}={Encoding.Latin1.GetString(content!.Memory.Span)}");
                    }

                    break;
            }
        }

        return lines;
    }
}
