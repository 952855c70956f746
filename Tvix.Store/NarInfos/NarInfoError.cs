namespace Tvix.Store.NarInfos;

/// <summary>Which rule of the narinfo format a text breaks.</summary>
public enum NarInfoError
{
    /// <summary>The bytes are not UTF-8.</summary>
    InvalidEncoding,

    /// <summary>A line is not a key, a colon, a space and a value; a blank line, for example.</summary>
    InvalidLine,

    /// <summary>A key that may occur once occurs twice.</summary>
    DuplicateField,

    /// <summary>A key that must be there is not.</summary>
    MissingField,

    /// <summary>A value that must not be empty is.</summary>
    EmptyField,

    /// <summary>The store path is not an absolute store path.</summary>
    InvalidStorePath,

    /// <summary>A hash does not begin with <c>sha256:</c>.</summary>
    MissingPrefixForHash,

    /// <summary>What follows the prefix of a hash is not a digest.</summary>
    UnableToDecodeHash,

    /// <summary>A size is not a decimal number below 2^64.</summary>
    UnableToParseSize,

    /// <summary>A reference is not a base name.</summary>
    InvalidReference,

    /// <summary>The deriver is not a base name.</summary>
    InvalidDeriverStorePath,

    /// <summary>The deriver does not end in <c>.drv</c>.</summary>
    InvalidDeriverStorePathMissingSuffix,

    /// <summary>A signature is not valid.</summary>
    UnableToParseSignature,

    /// <summary>The content address is not valid.</summary>
    UnableToParseContentAddress,
}
