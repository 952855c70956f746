using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>
/// The rules of an upload, for a backend that does not keep the directories in memory: children come first, recorded sizes are right, and at the end there is one
/// root. Keeps a digest and two sizes for each directory.
/// </summary>
internal sealed class DirectoryUploadOrder(DirectorySizeCheck sizeCheck = DirectorySizeCheck.Either)
{
    private readonly Dictionary<B3Digest, (ulong Twice, ulong Once)> _sizes = [];
    private readonly HashSet<B3Digest> _roots = [];

    /// <summary>Takes the next directory; <see langword="false"/> when it came before.</summary>
    /// <exception cref="InvalidDirectoryException">A child did not come before, or its recorded size is wrong.</exception>
    public bool Add(CastoreDirectory directory)
    {
        foreach (DirectoryEntry entry in directory.Entries)
        {
            if (entry.Node is not Node.Directory child)
            {
                continue;
            }

            if (!_sizes.TryGetValue(child.Digest, out (ulong Twice, ulong Once) size))
            {
                throw new InvalidDirectoryException(
                    DirectoryError.WrongOrder, $"The child '{entry.Name}' ({child.Digest}) of {directory.Digest} was not put before it.", entry.Name.Memory);
            }

            bool accepted = (sizeCheck != DirectorySizeCheck.EntriesOnce && child.Size == size.Twice)
                || (sizeCheck != DirectorySizeCheck.EntriesTwice && child.Size == size.Once);
            if (!accepted)
            {
                throw new InvalidDirectoryException(
                    DirectoryError.WrongSize,
                    $"The child '{entry.Name}' of {directory.Digest} is recorded with size {child.Size}; its contents give {size.Twice} (or {size.Once} by the older rule).",
                    entry.Name.Memory);
            }
        }

        B3Digest digest = directory.Digest;
        if (!_sizes.TryAdd(digest, (directory.GetSize(DirectorySizeRule.EntriesTwice), directory.GetSize(DirectorySizeRule.EntriesOnce))))
        {
            return false;
        }

        foreach (DirectoryEntry entry in directory.Entries)
        {
            if (entry.Node is Node.Directory child)
            {
                _roots.Remove(child.Digest);
            }
        }

        _roots.Add(digest);
        return true;
    }

    /// <summary>Says that nothing more comes.</summary>
    /// <returns>The digest of the root.</returns>
    /// <exception cref="InvalidDirectoryException">Nothing came, or what came has more than one root.</exception>
    public B3Digest Complete() => _roots.Count switch
    {
        1 => _roots.Single(),
        0 => throw new InvalidDirectoryException(DirectoryError.NotConnected, "No directory was put."),
        int count => throw new InvalidDirectoryException(DirectoryError.NotConnected, $"What was put has {count} roots instead of one."),
    };
}
