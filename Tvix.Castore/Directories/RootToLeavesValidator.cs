using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>Accepts the root first and every other directory only after one that refers to it: the order of a download.</summary>
public sealed class RootToLeavesValidator : DirectoryOrderValidator
{
    private readonly HashSet<B3Digest> _expected = [];
    private readonly HashSet<B3Digest> _missing = [];

    /// <summary>Expects a known root.</summary>
    public RootToLeavesValidator(B3Digest root)
    {
        _expected.Add(root);
        _missing.Add(root);
    }

    /// <summary>Takes the first directory for the root, whichever it is.</summary>
    public RootToLeavesValidator()
    {
    }

    /// <summary>Whether at least the root has come, and everything that was referred to.</summary>
    public bool IsComplete => _expected.Count > 0 && _missing.Count == 0;

    /// <summary>
    /// Whether a directory of that digest may come next; so bytes can be turned down by their hash before they are parsed.
    /// </summary>
    public bool IsAllowed(B3Digest digest) => _expected.Count == 0 || _expected.Contains(digest);

    private protected override bool TryAcceptCore(CastoreDirectory directory)
    {
        if (!IsAllowed(directory.Digest))
        {
            return false;
        }

        if (!_missing.Remove(directory.Digest) && !_expected.Add(directory.Digest))
        {
            return true; // it came before
        }

        foreach (DirectoryEntry entry in directory.Entries)
        {
            if (entry.Node is Node.Directory child && _expected.Add(child.Digest))
            {
                _missing.Add(child.Digest);
            }
        }

        return true;
    }

    private protected override string Describe(CastoreDirectory directory) =>
        $"The directory {directory.Digest} comes before any directory that refers to it.";
}
