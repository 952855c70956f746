using System.Runtime.InteropServices;
using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Grpc.Client;

/// <summary>The rules for the directories of a closure that a server sends, of which a digest and two sizes each are kept. Spec: castore
/// §2.8.</summary>
internal sealed class DownloadOrder(B3Digest root)
{
    private readonly Dictionary<B3Digest, State> _directories = new() { [root] = new State { IsExpected = true } };
    private int _missing = 1;

    /// <summary>Before a directory has come, the sizes that were recorded for it; afterwards the two that it may be recorded
    /// with.</summary>
    private struct State
    {
        public ulong? Size;
        public ulong? OtherSize;
        public bool IsExpected;
        public bool HasCome;
    }

    /// <summary>Takes the next directory.</summary>
    public void Add(CastoreDirectory directory)
    {
        B3Digest digest = directory.Digest;
        ref State state = ref CollectionsMarshal.GetValueRefOrNullRef(_directories, digest);
        if (System.Runtime.CompilerServices.Unsafe.IsNullRef(ref state))
        {
            throw new StorageException($"For the tree {root} the server sent the directory {digest}, which no directory before it refers to.");
        }

        if (!state.IsExpected)
        {
            throw new StorageException($"For the tree {root} the server sent the directory {digest} twice.");
        }

        state.IsExpected = false;
        if (state.HasCome)
        {
            return;
        }

        _missing--;
        state.HasCome = true;
        ulong? recorded = state.Size;
        ulong? otherRecorded = state.OtherSize;
        state.Size = directory.GetSize(DirectorySizeRule.EntriesTwice);
        state.OtherSize = directory.GetSize(DirectorySizeRule.EntriesOnce);
        Check(in state, recorded, digest);
        Check(in state, otherRecorded, digest);
        foreach (DirectoryEntry entry in directory.Entries)
        {
            if (entry.Node is Node.Directory child)
            {
                Expect(child);
            }
        }
    }

    /// <summary>Says that nothing more comes. Nothing at all is fine: then the root is not there.</summary>
    public void Complete()
    {
        if (_missing > 0 && _directories[root].HasCome)
        {
            B3Digest missing = _directories.First(pair => !pair.Value.HasCome).Key;
            throw new StorageException($"For the tree {root} the server did not send the directory {missing}, which the tree refers to.");
        }
    }

    private void Expect(Node.Directory child)
    {
        ref State state = ref CollectionsMarshal.GetValueRefOrAddDefault(_directories, child.Digest, out bool known);
        state.IsExpected = true;
        if (!known)
        {
            _missing++;
            state.Size = child.Size;
        }
        else if (state.HasCome)
        {
            Check(in state, child.Size, child.Digest);
        }
        else if (state.Size != child.Size && (state.OtherSize ??= child.Size) != child.Size)
        {
            throw WrongSize(child.Digest, child.Size); // a third size, when there are two rules
        }
    }

    private static void Check(in State state, ulong? recorded, B3Digest digest)
    {
        if (recorded is { } size && size != state.Size && size != state.OtherSize)
        {
            throw WrongSize(digest, size);
        }
    }

    private static InvalidDirectoryException WrongSize(B3Digest digest, ulong size) =>
        new(DirectoryError.WrongSize, $"The directory {digest} is recorded with the size {size}, which is not its size.");
}
