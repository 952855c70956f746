namespace Tvix.Store.Nar;

/// <summary>What makes a NAR malformed.</summary>
public enum NarError
{
    /// <summary>The input ends before the archive does.</summary>
    UnexpectedEnd,

    /// <summary>The input does not start with <c>nix-archive-1</c>.</summary>
    BadMagic,

    /// <summary>The bytes that fill a string up to a multiple of 8 are not all zero.</summary>
    BadPadding,

    /// <summary>Another keyword, or the end of a node, must stand here.</summary>
    UnexpectedToken,

    /// <summary>The name of an entry is empty, longer than 255 bytes, <c>.</c>, <c>..</c>, or contains a slash or NUL byte.</summary>
    InvalidName,

    /// <summary>The name of an entry sorts before the one that precedes it.</summary>
    WrongOrder,

    /// <summary>The name of an entry is that of the one that precedes it.</summary>
    DuplicateName,

    /// <summary>The target of a symlink is empty, longer than 4095 bytes, or contains a NUL byte.</summary>
    InvalidTarget,

    /// <summary>More directories are inside each other than the reader is ready to follow.</summary>
    TooDeep,

    /// <summary>The archive is over, but the input is not.</summary>
    TrailingData,

    /// <summary>The length of a file is such that no archive could contain it.</summary>
    SizeOverflow,
}
