using System.Runtime.CompilerServices;
using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>Walks through directories that a service holds.</summary>
public static class DirectoryTraversal
{
    /// <summary>
    /// The closure of a root, breadth first, children in name order, by one <see cref="IDirectoryService.GetAsync"/> each.
    /// </summary>
    /// <remarks>Memory grows with the number of distinct directories: one digest each.</remarks>
    internal static async IAsyncEnumerable<CastoreDirectory> BreadthFirstAsync(
        IDirectoryService service, B3Digest root, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Queue<B3Digest> queue = new([root]);
        HashSet<B3Digest> seen = [root];
        while (queue.TryDequeue(out B3Digest digest))
        {
            CastoreDirectory? directory = await service.GetAsync(digest, cancellationToken).ConfigureAwait(false);
            if (directory is null)
            {
                if (digest == root)
                {
                    yield break;
                }

                throw new StorageException($"The directory {digest}, which the tree {root} refers to, is missing.");
            }

            foreach (DirectoryEntry entry in directory)
            {
                if (entry.Node is Node.Directory child && seen.Add(child.Digest))
                {
                    queue.Enqueue(child.Digest);
                }
            }

            yield return directory;
        }
    }

    /// <summary>Finds the node at a path below another node. Symlinks are not followed.</summary>
    /// <returns>
    /// The node; <paramref name="root"/> itself for the empty path; <see langword="null"/> when a name is not there or a file or symlink
    /// stands in the way.
    /// </returns>
    /// <exception cref="StorageException">A directory on the way is missing from the service.</exception>
    public static async ValueTask<Node?> DescendAsync(
        this IDirectoryService service, Node root, CastorePath path, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(service);
        ArgumentNullException.ThrowIfNull(root);
        Node node = root;
        foreach (PathComponent name in path.Components)
        {
            if (node is not Node.Directory { Digest: B3Digest digest })
            {
                return null;
            }

            CastoreDirectory directory = await service.GetAsync(digest, cancellationToken).ConfigureAwait(false)
                ?? throw new StorageException($"The directory {digest} is missing.");
            if (!directory.TryGetNode(name, out Node? child))
            {
                return null;
            }

            node = child;
        }

        return node;
    }
}
