using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>Computes how long the NAR of a tree is, from its directories alone. Spec: nix-formats §4.8.</summary>
/// <param name="directories">Where the directories are.</param>
/// <remarks>A directory that occurs in many places is fetched and added up once. Safe for concurrent use.</remarks>
public sealed class NarSizeCalculator(IDirectoryService directories)
{
    private const ulong ArchiveOverhead = 24;
    private const ulong SymlinkOverhead = 88;
    private const ulong RegularOverhead = 88;
    private const ulong ExecutableOverhead = 120;
    private const ulong DirectoryOverhead = 72;
    private const ulong EntryOverhead = 88;

    /// <summary>The length of the tree's NAR, in bytes.</summary>
    /// <exception cref="StorageException">A directory is missing, or could not be read.</exception>
    /// <exception cref="OverflowException">The NAR would be longer than 2^64 − 1 bytes.</exception>
    public async ValueTask<ulong> CalculateAsync(Node root, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        TreeDirectories tree = new(directories, root);
        Dictionary<B3Digest, ulong> known = [];
        NarPath path = new();
        Stack<Frame> open = new();
        if (root is Node.Directory { Digest: B3Digest rootDigest })
        {
            open.Push(new Frame(await tree.GetAsync(rootDigest, "", cancellationToken).ConfigureAwait(false)) { Digest = rootDigest });
            path.Enter();
        }

        while (open.TryPeek(out Frame? frame))
        {
            if (frame.Next == frame.Directory.Count)
            {
                known[frame.Digest] = frame.Size;
                open.Pop();
                path.Leave();
                continue;
            }

            DirectoryEntry entry = frame.Directory[frame.Next];
            if (entry.Node is Node.Directory { Digest: B3Digest child } && !known.ContainsKey(child))
            {
                path.SetName(entry.Name.Bytes);
                CastoreDirectory directory = await tree.GetAsync(child, path.ToString(), cancellationToken).ConfigureAwait(false);
                open.Push(new Frame(directory) { Digest = child });
                path.Enter();
                continue;
            }

            frame.Size = checked(frame.Size + EntryOverhead + (ulong)NarWire.Padded(entry.Name.Length) + GetSize(entry.Node, known));
            frame.Next++;
        }

        return checked(ArchiveOverhead + GetSize(root, known));
    }

    private static ulong GetSize(Node node, Dictionary<B3Digest, ulong> known) => node switch
    {
        Node.Directory directory => known[directory.Digest],
        Node.Symlink symlink => SymlinkOverhead + (ulong)NarWire.Padded(symlink.Target.Length),
        Node.File file => checked((file.Executable ? ExecutableOverhead : RegularOverhead) + file.Size + (ulong)NarWire.Padding(file.Size)),
        _ => throw new ArgumentException("Not a kind of node.", nameof(node)),
    };

    private sealed class Frame(CastoreDirectory directory)
    {
        public CastoreDirectory Directory { get; } = directory;

        public required B3Digest Digest { get; init; }

        public int Next { get; set; }

        public ulong Size { get; set; } = DirectoryOverhead;
    }
}
