using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>
/// Accepts a directory only after all of its child directories: the order of an upload. Whether all form one tree is not its task.
/// </summary>
public sealed class LeavesToRootValidator : DirectoryOrderValidator
{
    private readonly HashSet<B3Digest> _known = [];

    private protected override bool TryAcceptCore(CastoreDirectory directory)
    {
        foreach (DirectoryEntry entry in directory.Entries)
        {
            if (entry.Node is Node.Directory child && !_known.Contains(child.Digest))
            {
                return false;
            }
        }

        _known.Add(directory.Digest);
        return true;
    }

    private protected override string Describe(CastoreDirectory directory) =>
        $"The directory {directory.Digest} comes before one of its child directories.";
}
