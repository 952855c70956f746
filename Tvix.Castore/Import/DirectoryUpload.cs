using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>
/// Stores the directories of one tree, leaves first; nothing when the tree has none. Disposing without completing discards them.
/// </summary>
internal sealed class DirectoryUpload(IDirectoryService service, DirectorySizeRule sizeRule) : IAsyncDisposable
{
    private DirectoryPutter? _putter;

    /// <summary>Adds a directory, whose subdirectories were added before.</summary>
    /// <param name="entries">Its entries in any order; the array is taken over.</param>
    /// <param name="path">Where it is, for messages.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="ImportException">A name occurs twice, or the size overflows.</exception>
    public async ValueTask<Node.Directory> PutAsync(
        DirectoryEntry[] entries, ReadOnlyMemory<byte> path, CancellationToken cancellationToken)
    {
        CastoreDirectory directory;
        Node.Directory node;
        try
        {
            directory = CastoreDirectory.FromOwnedEntries(entries);
            node = directory.ToNode(sizeRule);
        }
        catch (InvalidDirectoryException e)
        {
            throw new ImportException(ImportError.InvalidDirectory, path, "its entries do not make up a directory", e);
        }

        _putter ??= service.OpenPutter();
        await _putter.PutAsync(directory, cancellationToken).ConfigureAwait(false);
        return node;
    }

    /// <summary>Stores everything.</summary>
    /// <param name="root">The root of the tree: the directory that was added last, or, when there was none, something else.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async ValueTask CompleteAsync(Node root, CancellationToken cancellationToken)
    {
        if (_putter is null)
        {
            return;
        }

        B3Digest digest = await _putter.CompleteAsync(cancellationToken).ConfigureAwait(false);
        if (root is not Node.Directory directory || directory.Digest != digest)
        {
            throw new StorageException($"The directory service took {digest} for the root of an upload, not {root}.");
        }
    }

    public ValueTask DisposeAsync() => _putter?.DisposeAsync() ?? ValueTask.CompletedTask;
}
