namespace Tvix.Castore.Model;

/// <summary>Which recorded sizes of child directories are accepted when a closure is validated.</summary>
public enum DirectorySizeCheck
{
    /// <summary>Either rule of <see cref="DirectorySizeRule"/>. The default.</summary>
    Either,

    /// <summary>Only <see cref="DirectorySizeRule.EntriesTwice"/>.</summary>
    EntriesTwice,

    /// <summary>Only <see cref="DirectorySizeRule.EntriesOnce"/>.</summary>
    EntriesOnce,
}
