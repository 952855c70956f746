using System.Diagnostics;
using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>Everything of a tree's NAR but the contents of its files. Spec: nix-formats §4.11.</summary>
internal static class NarSkeleton
{
    /// <summary>Goes through a tree in the order of its NAR.</summary>
    /// <param name="root">The root.</param>
    /// <param name="directories">Where the directories are; they are fetched all at once.</param>
    /// <param name="output">Receives the NAR without contents. Flushes are not waited for.</param>
    /// <param name="visitor">Told of each node after its head was written.</param>
    /// <param name="cancellationToken">Ends the walk.</param>
    /// <returns>The length of the whole NAR.</returns>
    /// <exception cref="StorageException">A directory is missing.</exception>
    /// <exception cref="OverflowException">The NAR would be longer than 2^64 − 1 bytes.</exception>
    public static async ValueTask<ulong> WriteAsync(
        Node root, IDirectoryService directories, MemoryPipeWriter output, IVisitor visitor, CancellationToken cancellationToken)
    {
        Dictionary<B3Digest, CastoreDirectory> closure = [];
        if (root is Node.Directory { Digest: B3Digest rootDigest })
        {
            await foreach (CastoreDirectory directory in directories.GetClosureAsync(rootDigest, cancellationToken).ConfigureAwait(false))
            {
                closure[directory.Digest] = directory;
            }
        }

        NarWriter writer = new(output, leaveOpen: true);
        await using (writer.ConfigureAwait(false))
        {
            Write(root, closure, writer, visitor, cancellationToken);
            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            return writer.BytesWritten;
        }
    }

    private static void Write(
        Node root, Dictionary<B3Digest, CastoreDirectory> closure, NarWriter writer, IVisitor visitor, CancellationToken cancellationToken)
    {
        Stack<(CastoreDirectory Directory, int Next)> open = new();
        WriteNode(default, root);
        while (open.TryPop(out (CastoreDirectory Directory, int Next) frame))
        {
            if (frame.Next == frame.Directory.Count)
            {
                Done(writer.EndDirectoryAsync(cancellationToken));
                visitor.OnEndDirectory();
                continue;
            }

            open.Push((frame.Directory, frame.Next + 1));
            DirectoryEntry entry = frame.Directory[frame.Next];
            WriteNode(entry.Name, entry.Node);
        }

        void WriteNode(PathComponent name, Node node)
        {
            switch (node)
            {
                case Node.Symlink symlink:
                    Done(writer.WriteSymlinkAsync(name, symlink.Target, cancellationToken));
                    visitor.OnSymlink(name, symlink);
                    break;
                case Node.File file:
                    Done(writer.BeginFileAsync(name, file.Executable, file.Size, cancellationToken));
                    visitor.OnFile(name, file, writer.ContentsOffset);
                    writer.SkipContents();
                    break;
                case Node.Directory directory:
                    Done(writer.BeginDirectoryAsync(name, cancellationToken));
                    visitor.OnDirectory(name);
                    open.Push((closure.TryGetValue(directory.Digest, out CastoreDirectory? found)
                        ? found
                        : throw TreeDirectories.Missing(directory.Digest, writer.LatestPath), 0));
                    break;
            }
        }
    }

    // What is written to memory is written at once.
    private static void Done(ValueTask write)
    {
        Debug.Assert(write.IsCompleted, "Memory does not wait.");
        write.GetAwaiter().GetResult();
    }

    /// <summary>Told what a walk comes by.</summary>
    public interface IVisitor
    {
        void OnFile(PathComponent name, Node.File file, ulong contentsOffset);

        void OnSymlink(PathComponent name, Node.Symlink symlink);

        void OnDirectory(PathComponent name);

        void OnEndDirectory();
    }
}
