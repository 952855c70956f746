using System.Text;
using System.Text.Unicode;
using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

// Grammar of the JSON form (spec: nix-formats §4.12), with the keys in this order:
//
//     listing = {"version":1,"root":node}
//     node    = {"type":"regular","size":N[,"executable":true][,"narOffset":N]}
//             | {"type":"symlink","target":"…"}
//             | {"type":"directory","entries":{"name":node,…}}

/// <summary>What is in a NAR and where, so that single files can be read out of it: what binary caches serve as <c>.ls</c>.</summary>
/// <remarks>A listing has no hashes, so what is read by it is unverified. Immutable.</remarks>
public sealed partial class NarListing
{
    /// <summary>How many nodes a listing may have that is made from a tree or a NAR, unless told otherwise.</summary>
    public const int DefaultMaxNodes = 10_000_000;

    /// <summary>Makes a listing.</summary>
    /// <param name="root">The root of the NAR.</param>
    public NarListing(NarListingNode root)
    {
        ArgumentNullException.ThrowIfNull(root);
        Root = root;
    }

    /// <summary>The root of the NAR.</summary>
    public NarListingNode Root { get; }

    /// <summary>Makes the listing of the NAR of a tree, without reading blobs.</summary>
    /// <param name="root">The root of the tree.</param>
    /// <param name="directories">Where the directories are; all of the tree are fetched.</param>
    /// <param name="maxNodes">How many nodes the listing may have.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="StorageException">A directory is missing, or could not be read.</exception>
    /// <exception cref="InvalidOperationException">There are more than <paramref name="maxNodes"/> nodes.</exception>
    /// <exception cref="OverflowException">The NAR would be longer than 2^64 − 1 bytes.</exception>
    public static async ValueTask<NarListing> CreateAsync(
        Node root, IDirectoryService directories, int maxNodes = DefaultMaxNodes, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(directories);
        Builder builder = new(maxNodes);
        MemoryPipeWriter nowhere = new(keep: false, 0);
        await NarSkeleton.WriteAsync(root, directories, nowhere, builder, cancellationToken).ConfigureAwait(false);
        return builder.Build();
    }

    /// <summary>Makes the listing of a NAR by reading it to its end.</summary>
    /// <param name="reader">A reader at the start of the NAR. It stays the caller's.</param>
    /// <param name="maxNodes">How many nodes the listing may have.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="NarFormatException">The input is not a NAR.</exception>
    /// <exception cref="InvalidOperationException">
    /// There are more than <paramref name="maxNodes"/> nodes, or the reader is not at the start.
    /// </exception>
    public static async ValueTask<NarListing> CreateAsync(
        NarReader reader, int maxNodes = DefaultMaxNodes, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        if (reader.TokenType != NarTokenType.None)
        {
            throw new InvalidOperationException("The reader is not at the start of the NAR.");
        }

        Builder builder = new(maxNodes);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            switch (reader.TokenType)
            {
                case NarTokenType.File:
                    builder.Add(reader.Name, new NarListingNode.File(reader.Size, reader.IsExecutable, (ulong)reader.ContentsOffset));
                    break;
                case NarTokenType.Symlink:
                    builder.Add(reader.Name, new NarListingNode.Symlink(reader.Target));
                    break;
                case NarTokenType.Directory:
                    builder.OnDirectory(reader.Name);
                    break;
                case NarTokenType.EndDirectory:
                    builder.OnEndDirectory();
                    break;
            }
        }

        return builder.Build();
    }

    /// <summary>Finds a node by its path. Symlinks are not followed.</summary>
    /// <param name="path">
    /// Names joined by slashes, in UTF-8. Components that are <c>.</c>, and doubled or trailing slashes, are skipped; no bytes stand for
    /// the root.
    /// </param>
    /// <returns>The node; <see langword="null"/> when a name is not there, or a file or symlink stands in the way.</returns>
    /// <exception cref="FormatException">The path is absolute, or contains <c>..</c>.</exception>
    /// <exception cref="DecoderFallbackException">The path is not UTF-8.</exception>
    public NarListingNode? Locate(ReadOnlySpan<byte> path)
    {
        if (!Utf8.IsValid(path))
        {
            throw new DecoderFallbackException($"The path '{ByteText.Show(path)}' is not UTF-8.");
        }

        if (path.StartsWith("/"u8))
        {
            throw new FormatException($"The path '{ByteText.Show(path)}' is absolute.");
        }

        // The whole path is checked, wherever the way ends.
        NarListingNode? node = Root;
        foreach (Range range in path.Split((byte)'/'))
        {
            ReadOnlySpan<byte> name = path[range];
            if (name.SequenceEqual(".."u8))
            {
                throw new FormatException($"The path '{ByteText.Show(path)}' contains '..'.");
            }

            if (!name.IsEmpty && !name.SequenceEqual("."u8))
            {
                node = node is NarListingNode.Directory directory && directory.TryGetEntry(name, out NarListingNode? child) ? child : null;
            }
        }

        return node;
    }

    /// <summary>Finds a node by its path; see <see cref="Locate(ReadOnlySpan{byte})"/>.</summary>
    /// <exception cref="FormatException">The path is absolute, or contains <c>..</c>.</exception>
    public NarListingNode? Locate(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Locate(Encoding.UTF8.GetBytes(path));
    }

    /// <summary>Puts a listing together from nodes in the order of the NAR.</summary>
    private sealed class Builder(int maxNodes) : NarSkeleton.IVisitor
    {
        private readonly Stack<(PathComponent Name, List<KeyValuePair<PathComponent, NarListingNode>> Entries)> _open = new();
        private NarListingNode? _root;
        private int _nodes;

        public NarListing Build() => new(_root!);

        public void Add(PathComponent name, NarListingNode node)
        {
            Count();
            Attach(name, node);
        }

        public void OnFile(PathComponent name, Node.File file, ulong contentsOffset) =>
            Add(name, new NarListingNode.File(file.Size, file.Executable, contentsOffset));

        public void OnSymlink(PathComponent name, Node.Symlink symlink) => Add(name, new NarListingNode.Symlink(symlink.Target));

        public void OnDirectory(PathComponent name)
        {
            Count();
            _open.Push((name, []));
        }

        public void OnEndDirectory()
        {
            (PathComponent name, List<KeyValuePair<PathComponent, NarListingNode>> entries) = _open.Pop();
            Attach(name, new NarListingNode.Directory([.. entries]));
        }

        private void Attach(PathComponent name, NarListingNode node)
        {
            if (_open.TryPeek(out (PathComponent Name, List<KeyValuePair<PathComponent, NarListingNode>> Entries) parent))
            {
                parent.Entries.Add(new(name, node));
            }
            else
            {
                _root = node;
            }
        }

        private void Count()
        {
            if (++_nodes > maxNodes)
            {
                throw new InvalidOperationException($"The tree has more than {maxNodes} nodes.");
            }
        }
    }
}
