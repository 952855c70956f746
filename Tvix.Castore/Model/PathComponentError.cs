namespace Tvix.Castore.Model;

/// <summary>
/// Why some bytes are not a <see cref="PathComponent"/>. The checks are made in the order of the values; the first that hits decides.
/// </summary>
public enum PathComponentError
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>The name is empty.</summary>
    Empty,

    /// <summary>The name is <c>..</c>.</summary>
    ParentDirectory,

    /// <summary>The name is <c>.</c>.</summary>
    CurrentDirectory,

    /// <summary>The name has more than 255 bytes.</summary>
    TooLong,

    /// <summary>The name contains a NUL byte.</summary>
    ContainsNull,

    /// <summary>The name contains a slash.</summary>
    ContainsSlash,
}
