using Tvix.Castore.Model;

namespace Tvix.Testing;

/// <summary>A tree of directories with a name, for test cases.</summary>
/// <param name="Name">What the tree is about.</param>
/// <param name="LeavesToRoot">Its directories, each once and after its children; the root is the last.</param>
public sealed record SampleTree(string Name, IReadOnlyList<CastoreDirectory> LeavesToRoot)
{
    /// <summary>The directory that everything hangs from.</summary>
    public CastoreDirectory Root => LeavesToRoot[^1];

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
