namespace Tvix.Store.Nix;

/// <summary>Why some text is not a hash.</summary>
public enum NixHashError
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>The name of the algorithm is none of <c>md5</c>, <c>sha1</c>, <c>sha256</c>, <c>sha512</c>.</summary>
    InvalidAlgorithm,

    /// <summary>The text names no algorithm, and the caller named none either.</summary>
    MissingInlineAlgorithm,

    /// <summary>The text names another algorithm than the caller wants.</summary>
    ConflictingAlgorithms,

    /// <summary>A digest of the length of hexadecimal digits has others than <c>0-9a-f</c>.</summary>
    InvalidBase16Encoding,

    /// <summary>A digest of the length of nixbase32 is not nixbase32.</summary>
    InvalidBase32Encoding,

    /// <summary>A digest of the length of Base64 is not standard Base64, or its padding or spare bits are wrong.</summary>
    InvalidBase64Encoding,

    /// <summary>The digest has a length that none of the encodings has for the algorithm.</summary>
    InvalidDigestLength,

    /// <summary>Text that should be an SRI string has no dash.</summary>
    InvalidSri,
}
