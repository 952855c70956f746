namespace Tvix.Castore.Import;

/// <summary>What of an archive becomes the root of the tree.</summary>
public enum TarTopLevel
{
    /// <summary>The only directory at the top of the archive, as source archives have it; anything else at the top is an error.</summary>
    SingleDirectory,

    /// <summary>The archive itself: its members at the top (<c>./a</c>, <c>./b</c>) become the entries of the root.</summary>
    Whole,
}
