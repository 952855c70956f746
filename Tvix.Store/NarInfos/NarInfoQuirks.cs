namespace Tvix.Store.NarInfos;

/// <summary>What was unusual, though legal, about a narinfo as it was read.</summary>
[Flags]
public enum NarInfoQuirks
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>There was a key that nobody knows. It is not kept.</summary>
    UnknownField = 1 << 0,

    /// <summary>There was no <c>Compression</c>, which means bzip2. It is left out again when written.</summary>
    CompressionMissing = 1 << 1,

    /// <summary>The references were not in strictly ascending order. They are written, and signed, in the order read.</summary>
    ReferencesOutOfOrder = 1 << 2,

    /// <summary>The NAR's hash was in hexadecimal digits. It is written in nixbase32.</summary>
    NarHashInHex = 1 << 3,

    /// <summary>The deriver was given as <c>unknown-deriver</c>, which means that there is none. It is left out when written.</summary>
    UnknownDeriver = 1 << 4,

    /// <summary>There were no <c>References</c>, which means none. They are written as an empty list.</summary>
    ReferencesMissing = 1 << 5,
}
