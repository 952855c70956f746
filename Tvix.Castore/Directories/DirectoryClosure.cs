using System.Runtime.InteropServices;
using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>
/// Collects the directories of one tree, checks their order, their recorded sizes and that they are one tree, drops duplicates, and gives
/// them back in either order. Spec: castore §4.3, §4.4.
/// </summary>
/// <remarks>
/// After an <see cref="InvalidDirectoryException"/> from <see cref="Add"/> the closure can only be discarded; everything else throws
/// <see cref="InvalidOperationException"/>. Not safe for concurrent use.
/// </remarks>
public sealed class DirectoryClosure
{
    private readonly DirectoryOrderValidator _order;
    private readonly DirectorySizeCheck _sizeCheck;
    private readonly Dictionary<B3Digest, Vertex> _vertices = [];
    private CastoreDirectory? _validatedRoot;
    private bool _failed;

    private DirectoryClosure(DirectoryOrderValidator order, DirectorySizeCheck sizeCheck)
    {
        _order = order;
        _sizeCheck = sizeCheck;
    }

    /// <summary>A closure whose directories come leaves first, as in an upload.</summary>
    public static DirectoryClosure LeavesToRoot(DirectorySizeCheck sizeCheck = DirectorySizeCheck.Either) =>
        new(new LeavesToRootValidator(), sizeCheck);

    /// <summary>A closure whose directories come root first, as in a download.</summary>
    public static DirectoryClosure RootToLeaves(B3Digest root, DirectorySizeCheck sizeCheck = DirectorySizeCheck.Either) =>
        new(new RootToLeavesValidator(root), sizeCheck);

    /// <summary>Adds a directory. One that is there already changes nothing.</summary>
    /// <exception cref="InvalidDirectoryException">
    /// It is out of order (<see cref="DirectoryError.WrongOrder"/>), or a size recorded for it or by it is wrong
    /// (<see cref="DirectoryError.WrongSize"/>).
    /// </exception>
    /// <exception cref="InvalidOperationException">An earlier call failed.</exception>
    public void Add(CastoreDirectory directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ThrowIfFailed();
        _failed = true;
        _order.Accept(directory);
        AddVertex(directory);
        _failed = false;
    }

    /// <summary>Checks that everything that was added is one complete tree.</summary>
    /// <returns>The root.</returns>
    /// <exception cref="InvalidDirectoryException">
    /// There is no directory, more than one root, or a directory that is referred to is missing
    /// (<see cref="DirectoryError.NotConnected"/>).
    /// </exception>
    /// <exception cref="InvalidOperationException">An earlier <see cref="Add"/> failed.</exception>
    public CastoreDirectory Validate()
    {
        ThrowIfFailed();
        if (_validatedRoot is not null)
        {
            return _validatedRoot;
        }

        CastoreDirectory? root = null;
        foreach ((B3Digest digest, Vertex vertex) in _vertices)
        {
            if (vertex.Directory is null)
            {
                throw NotConnected($"The directory {digest}, which the tree refers to, is missing.");
            }

            if (!vertex.HasParent)
            {
                root = root is null
                    ? vertex.Directory
                    : throw NotConnected($"Nothing refers to the directories {root.Digest} and {digest}; only one can be the root.");
            }
        }

        return _validatedRoot = root ?? throw NotConnected("There are no directories, so there is no root.");
    }

    /// <summary>Each directory once, children (in name order) before their parent, the root last.</summary>
    /// <exception cref="InvalidDirectoryException">As for <see cref="Validate"/>.</exception>
    /// <exception cref="InvalidOperationException">An earlier <see cref="Add"/> failed.</exception>
    public IEnumerable<CastoreDirectory> DrainLeavesToRoot() => PostOrder(Validate());

    /// <summary>Each directory once, the root first, breadth first, children in name order.</summary>
    /// <exception cref="InvalidDirectoryException">As for <see cref="Validate"/>.</exception>
    /// <exception cref="InvalidOperationException">An earlier <see cref="Add"/> failed.</exception>
    public IEnumerable<CastoreDirectory> DrainRootToLeaves() => BreadthFirst(Validate());

    private void AddVertex(CastoreDirectory directory)
    {
        ref Vertex vertex = ref CollectionsMarshal.GetValueRefOrAddDefault(_vertices, directory.Digest, out _);
        if (vertex.Directory is not null)
        {
            return;
        }

        vertex.Directory = directory;
        _validatedRoot = null;
        if (vertex.HasParent)
        {
            CheckSize(directory, vertex.RecordedSize);
            CheckSize(directory, vertex.OtherRecordedSize);
        }

        foreach (DirectoryEntry entry in directory.Entries)
        {
            if (entry.Node is Node.Directory child)
            {
                AddEdge(entry.Name, child);
            }
        }
    }

    private void AddEdge(PathComponent name, Node.Directory node)
    {
        ref Vertex child = ref CollectionsMarshal.GetValueRefOrAddDefault(_vertices, node.Digest, out _);
        if (child.Directory is not null)
        {
            child.HasParent = true;
            CheckSize(child.Directory, node.Size, name);
        }
        else if (!child.HasParent)
        {
            child.HasParent = true;
            child.RecordedSize = node.Size;
            child.OtherRecordedSize = node.Size;
        }
        else if (node.Size != child.RecordedSize && node.Size != child.OtherRecordedSize)
        {
            // A directory has one size by each rule, so of three different records one is wrong, whatever arrives.
            if (child.RecordedSize != child.OtherRecordedSize)
            {
                throw WrongSize(node.Digest, node.Size, name);
            }

            child.OtherRecordedSize = node.Size;
        }
    }

    private void CheckSize(CastoreDirectory directory, ulong recorded, PathComponent name = default)
    {
        if (!directory.IsSizeAccepted(recorded, _sizeCheck))
        {
            throw WrongSize(directory.Digest, recorded, name);
        }
    }

    private IEnumerable<CastoreDirectory> PostOrder(CastoreDirectory root)
    {
        HashSet<B3Digest> seen = [root.Digest];
        Stack<(CastoreDirectory Directory, int NextEntry)> path = new([(root, 0)]);
        while (path.TryPop(out var current))
        {
            int at = current.NextEntry;
            while (at < current.Directory.Count && !(current.Directory[at].Node is Node.Directory node && seen.Add(node.Digest)))
            {
                at++;
            }

            if (at == current.Directory.Count)
            {
                yield return current.Directory;
            }
            else
            {
                path.Push((current.Directory, at + 1));
                path.Push((Child(current.Directory[at]), 0));
            }
        }
    }

    private IEnumerable<CastoreDirectory> BreadthFirst(CastoreDirectory root)
    {
        HashSet<B3Digest> seen = [root.Digest];
        Queue<CastoreDirectory> queue = new([root]);
        while (queue.TryDequeue(out CastoreDirectory? directory))
        {
            yield return directory;
            foreach (DirectoryEntry entry in directory.Entries)
            {
                if (entry.Node is Node.Directory node && seen.Add(node.Digest))
                {
                    queue.Enqueue(Child(entry));
                }
            }
        }
    }

    // Only called once Validate has found every directory that is referred to.
    private CastoreDirectory Child(DirectoryEntry entry) => _vertices[((Node.Directory)entry.Node).Digest].Directory!;

    private void ThrowIfFailed()
    {
        if (_failed)
        {
            throw new InvalidOperationException("The closure holds an invalid directory; it can only be discarded.");
        }
    }

    private static InvalidDirectoryException NotConnected(string message) => new(DirectoryError.NotConnected, message);

    private static InvalidDirectoryException WrongSize(B3Digest digest, ulong recorded, PathComponent name) =>
        new(
            DirectoryError.WrongSize,
            $"The size {recorded} recorded for the directory {digest} is not what its contents give.",
            name.Memory);

    /// <summary>A directory that came, or that something which came refers to.</summary>
    private struct Vertex
    {
        public CastoreDirectory? Directory;
        public bool HasParent;

        // While the directory has not come: the different sizes that its parents record for it.
        public ulong RecordedSize;
        public ulong OtherRecordedSize;
    }
}
