namespace Tvix.Store.PathInfos;

/// <summary>
/// Which rule a <c>PathInfo</c> message breaks. The checks are made in the order of the values; the first that hits decides.
/// </summary>
/// <remarks>The two rules about names of references are checked for one reference after the other.</remarks>
public enum PathInfoError
{
    /// <summary>The bytes are not a protobuf message of the expected shape.</summary>
    Malformed,

    /// <summary>There is no <c>narinfo</c>.</summary>
    MissingNarInfo,

    /// <summary>The digest of a reference has not 20 bytes.</summary>
    InvalidReferenceDigestLength,

    /// <summary>There are not as many names of references as digests.</summary>
    InconsistentNumberOfReferences,

    /// <summary>The name of a reference is not a base name.</summary>
    InvalidReferenceName,

    /// <summary>The name of a reference has another digest than the reference.</summary>
    InconsistentReferenceDigest,

    /// <summary>There is no <c>node</c>.</summary>
    MissingNode,

    /// <summary>The node breaks a rule of castore; the inner exception says which.</summary>
    InvalidRootNode,

    /// <summary>The name of the node is not a base name.</summary>
    InvalidNodeName,

    /// <summary>The hash of the NAR has not 32 bytes.</summary>
    InvalidNarHashLength,

    /// <summary>The deriver's digest has not 20 bytes, or its name is not valid.</summary>
    InvalidDeriver,

    /// <summary>A signature has not 64 bytes.</summary>
    InvalidSignatureLength,

    /// <summary>The digest of the content address has not the length of its algorithm.</summary>
    InvalidContentAddressLength,

    /// <summary>The content address is of an unknown type.</summary>
    UnknownContentAddressType,
}
