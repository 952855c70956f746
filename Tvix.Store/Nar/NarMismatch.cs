namespace Tvix.Store.Nar;

/// <summary>In what a NAR differs from what was expected of it.</summary>
public enum NarMismatch
{
    /// <summary>It has another length.</summary>
    Size,

    /// <summary>It has another SHA-256.</summary>
    NarHash,

    /// <summary>Its content address is another.</summary>
    ContentAddress,

    /// <summary>
    /// Its root is not of the kind that the content address is for: a regular file, for a text one that is not executable.
    /// </summary>
    RootType,
}
