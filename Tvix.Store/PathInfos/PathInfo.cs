using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>
/// All that a store knows about one store path: its contents as a castore node, its NAR's size and hash, its references and signatures.
/// </summary>
/// <remarks>
/// <para>Immutable and safe for concurrent use; change a copy with <see langword="with"/>. Equal when all fields are, lists item by
/// item.</para>
/// <para>Valid by construction, which says nothing about the agreement of contents, sizes and hashes.</para>
/// </remarks>
public sealed record PathInfo
{
    /// <summary>The store path. Its digest is the key.</summary>
    public required StorePath StorePath
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(StorePath));
    }

    /// <summary>The root of the contents.</summary>
    public required Node Node
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(Node));
    }

    /// <summary>The length of the contents as a NAR, in bytes.</summary>
    public required ulong NarSize { get; init; }

    /// <summary>The SHA-256 of the contents as a NAR.</summary>
    public required Sha256Digest NarHash { get; init; }

    /// <summary>
    /// The store paths that the contents refer to, itself included. The order counts: signatures are over the list as it is.
    /// </summary>
    /// <value>Empty, unless set. The list is copied.</value>
    public IReadOnlyList<StorePath> References
    {
        get;
        init => field = CopyOf(value, nameof(References));
    } = [];

    /// <summary>The signatures over the fingerprint, oldest first.</summary>
    /// <value>Empty, unless set. The list is copied.</value>
    public IReadOnlyList<NarSignature> Signatures
    {
        get;
        init => field = CopyOf(value, nameof(Signatures));
    } = [];

    /// <summary>
    /// The derivation that built the path, its name <i>without</i> the final <c>.drv</c>; <see langword="null"/> when that is not known.
    /// </summary>
    public StorePath? Deriver { get; init; }

    /// <summary>
    /// How the contents were hashed to name the path; <see langword="null"/> when the path is not addressed by its contents.
    /// </summary>
    public ContentAddress? ContentAddress { get; init; }

    /// <summary>Decodes a <c>PathInfo</c> message (packages tvix.store.v1 and snix.store.v1). Unknown fields are dropped.</summary>
    /// <exception cref="InvalidPathInfoException">The message breaks a rule.</exception>
    public static PathInfo Decode(ReadOnlySpan<byte> message) => PathInfoCodec.Decode(message);

    /// <summary>Makes a path info of what a narinfo says and the contents that its NAR holds.</summary>
    /// <param name="narInfo">The narinfo. Its URL, compression, file hash, file size, system and quirks are not kept.</param>
    /// <param name="node">The root of the contents.</param>
    public static PathInfo FromNarInfo(NarInfo narInfo, Node node)
    {
        ArgumentNullException.ThrowIfNull(narInfo);
        return new PathInfo
        {
            StorePath = narInfo.StorePath,
            Node = node,
            NarSize = narInfo.NarSize,
            NarHash = narInfo.NarHash,
            References = narInfo.References,
            Signatures = narInfo.Signatures,
            Deriver = narInfo.Deriver,
            ContentAddress = narInfo.ContentAddress,
        };
    }

    /// <summary>Encodes as a <c>PathInfo</c> message: canonical protobuf, the same bytes for equal path infos.</summary>
    /// <returns>A new array.</returns>
    public byte[] Encode() => PathInfoCodec.Encode(this);

    /// <summary>The bytes that signatures are over.</summary>
    /// <param name="storeDirectory">The store directory.</param>
    public byte[] GetFingerprint(StoreDirectory storeDirectory = default) =>
        NarFingerprint.Compute(StorePath, NarHash, NarSize, References, storeDirectory);

    /// <summary>A copy with one more signature at the end.</summary>
    public PathInfo WithSignature(NarSignature signature)
    {
        ArgumentNullException.ThrowIfNull(signature);
        return this with { Signatures = [.. Signatures, signature] };
    }

    /// <summary>The narinfo of an uncompressed NAR, without file hash, file size and system.</summary>
    /// <param name="url">Where the NAR is served.</param>
    /// <remarks>Signatures whose name cannot stand in a narinfo (<see cref="NarSignature.HasValidName"/>) are left out.</remarks>
    /// <exception cref="ArgumentException"><paramref name="url"/> is empty or has a line end.</exception>
    public NarInfo ToNarInfo(string url) => new()
    {
        StorePath = StorePath,
        Url = url,
        NarHash = NarHash,
        NarSize = NarSize,
        References = References,
        Deriver = Deriver,
        Signatures = [.. Signatures.Where(signature => signature.HasValidName)],
        ContentAddress = ContentAddress,
    };

    /// <summary>Whether all fields are the same.</summary>
    public bool Equals(PathInfo? other) =>
        other is not null
        && StorePath == other.StorePath
        && Node == other.Node
        && NarSize == other.NarSize
        && NarHash == other.NarHash
        && References.SequenceEqual(other.References)
        && Signatures.SequenceEqual(other.Signatures)
        && Deriver == other.Deriver
        && ContentAddress == other.ContentAddress;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(StorePath, NarHash);

    /// <summary>The base name of the store path.</summary>
    public override string ToString() => StorePath.ToString();

    private static T[] CopyOf<T>(IReadOnlyList<T> items, string property)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(items, property);
        T[] copy = [.. items];
        return Array.IndexOf(copy, null) < 0 ? copy : throw new ArgumentException("The list has an item that is null.", property);
    }
}
