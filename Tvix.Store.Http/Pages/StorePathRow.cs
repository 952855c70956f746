using Tvix.Store.Nix;

namespace Tvix.Store.Http.Pages;

/// <summary>A line of the list of store paths.</summary>
/// <param name="Path">The store path.</param>
/// <param name="NarSize">The length of its NAR in bytes.</param>
/// <param name="References">How many store paths it refers to.</param>
internal sealed record StorePathRow(StorePath Path, ulong NarSize, int References) : IComparable<StorePathRow>
{
    public int CompareTo(StorePathRow? other) => other is null ? 1 : Compare(Path, other.Path);

    /// <summary>By name, as people look for them.</summary>
    public static int Compare(StorePath a, StorePath b)
    {
        int order = string.CompareOrdinal(a.Name, b.Name);
        return order != 0 ? order : a.Digest.CompareTo(b.Digest);
    }
}
