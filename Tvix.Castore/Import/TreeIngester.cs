using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>Puts a tree together from its entries, leaves first, and stores its directories.</summary>
/// <remarks>
/// <code>
/// entries = { entry below the root } root
/// every entry of a directory comes before the directory; every directory has an entry; only the root's path has a single component
/// </code>
/// Siblings may come in any order, and subtrees may be interleaved. Memory grows with the directories that are open at a time and their
/// entries. Spec: castore §6.1.
/// </remarks>
public static class TreeIngester
{
    /// <summary>Stores the directories of a tree.</summary>
    /// <param name="directories">Where they go. A tree that is a file or symlink stores none.</param>
    /// <param name="entries">The entries. What it throws is passed on as it is.</param>
    /// <param name="sizeRule">How the sizes of directories are computed.</param>
    /// <param name="cancellationToken">Ends the call; no directory is stored then, where the service stores whole uploads only.</param>
    /// <returns>The root, without its name.</returns>
    /// <exception cref="ImportException">
    /// <see cref="ImportError.NotATree"/>: there is no root, or something comes after it, has an empty path, or is not below it or below a
    /// directory that comes later. <see cref="ImportError.InvalidDirectory"/>: a name occurs twice in a directory, or a size overflows.
    /// <see cref="ImportError.InvalidSymlinkTarget"/>: a symlink has the target <see langword="default"/>.
    /// </exception>
    /// <exception cref="StorageException">The directories could not be stored.</exception>
    public static async Task<Node> IngestAsync(
        IDirectoryService directories,
        IAsyncEnumerable<IngestionEntry> entries,
        DirectorySizeRule sizeRule = DirectorySizeRule.EntriesTwice,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directories);
        ArgumentNullException.ThrowIfNull(entries);
        Dictionary<CastorePath, List<DirectoryEntry>> open = [];
        Node? root = null;
        DirectoryUpload upload = new(directories, sizeRule);
        await using (upload.ConfigureAwait(false))
        {
            await foreach (IngestionEntry entry in entries.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                cancellationToken.ThrowIfCancellationRequested();
                ReadOnlyMemory<byte> path = entry.Path.Bytes.ToArray();
                if (entry.Path.Parent is not { } parent)
                {
                    throw new ImportException(ImportError.NotATree, default, "an entry has an empty path");
                }

                if (root is not null)
                {
                    throw new ImportException(ImportError.NotATree, path, "it comes after the root");
                }

                Node node = entry switch
                {
                    IngestionEntry.Regular file => new Node.File(file.Digest, file.Size, file.Executable),
                    IngestionEntry.Symlink { Target.IsDefault: true } =>
                        throw new ImportException(ImportError.InvalidSymlinkTarget, path, "the symlink has no target"),
                    IngestionEntry.Symlink link => new Node.Symlink(link.Target),
                    _ => await upload.PutAsync(TakeEntries(open, entry.Path), path, cancellationToken).ConfigureAwait(false),
                };
                if (parent.IsRoot)
                {
                    root = node;
                    continue;
                }

                if (!open.TryGetValue(parent, out List<DirectoryEntry>? siblings))
                {
                    open.Add(parent, siblings = []);
                }

                siblings.Add(new DirectoryEntry(entry.Path.FileName!.Value, node));
            }

            if (root is null)
            {
                throw new ImportException(ImportError.NotATree, default, "the entries end before the root");
            }

            if (open.Count > 0)
            {
                byte[] orphaned = open.Keys.First().Bytes.ToArray();
                throw new ImportException(ImportError.NotATree, orphaned, "it has entries, but is no directory that comes after them");
            }

            await upload.CompleteAsync(root, cancellationToken).ConfigureAwait(false);
            return root;
        }
    }

    private static DirectoryEntry[] TakeEntries(Dictionary<CastorePath, List<DirectoryEntry>> open, CastorePath path) =>
        open.Remove(path, out List<DirectoryEntry>? entries) ? [.. entries] : [];
}
