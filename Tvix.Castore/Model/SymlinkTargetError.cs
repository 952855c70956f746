namespace Tvix.Castore.Model;

/// <summary>Why some bytes are not a <see cref="SymlinkTarget"/>, in the order in which it is checked.</summary>
public enum SymlinkTargetError
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>The target is empty.</summary>
    Empty,

    /// <summary>The target has more than 4095 bytes.</summary>
    TooLong,

    /// <summary>The target contains a NUL byte.</summary>
    ContainsNull,
}
