using System.Runtime.CompilerServices;
using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Cli;

/// <summary>One entry of a tree on the way through it.</summary>
/// <param name="Path">The path from the root of the walk.</param>
/// <param name="Node">What is there.</param>
/// <param name="IsLast">For the entry and each directory above it, the topmost first: whether it is the last of its directory.</param>
internal readonly record struct TreeEntry(CastorePath Path, Node Node, IReadOnlyList<bool> IsLast)
{
    /// <summary>Everything below a node, a directory before its entries, entries in the order of their names.</summary>
    /// <param name="directories">Where the directories are.</param>
    /// <param name="root">The root, which is not among the entries.</param>
    /// <param name="recursive">Whether to enter directories.</param>
    /// <param name="cancellationToken">Ends the walk.</param>
    public static async IAsyncEnumerable<TreeEntry> WalkAsync(
        IDirectoryService directories, Node root, bool recursive, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Stack<(CastoreDirectory Directory, CastorePath Path, int Next)> open = new();
        List<bool> isLast = [];
        if (root is Node.Directory top)
        {
            open.Push((await GetAsync(top), CastorePath.Root, 0));
        }

        while (open.TryPop(out (CastoreDirectory Directory, CastorePath Path, int Next) level))
        {
            if (level.Next == level.Directory.Count)
            {
                continue;
            }

            isLast.RemoveRange(open.Count, isLast.Count - open.Count);
            isLast.Add(level.Next == level.Directory.Count - 1);
            open.Push(level with { Next = level.Next + 1 });
            DirectoryEntry entry = level.Directory[level.Next];
            CastorePath path = level.Path.Append(entry.Name);
            yield return new TreeEntry(path, entry.Node, isLast);
            if (recursive && entry.Node is Node.Directory child)
            {
                open.Push((await GetAsync(child), path, 0));
            }
        }

        async ValueTask<CastoreDirectory> GetAsync(Node.Directory node) =>
            await directories.GetAsync(node.Digest, cancellationToken)
            ?? throw new StorageException($"The directory {node.Digest} is missing.");
    }
}
