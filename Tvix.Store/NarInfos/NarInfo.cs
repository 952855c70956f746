using System.Text;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

/// <summary>What a binary cache says about one store path: the text of a <c>.narinfo</c> file.</summary>
/// <remarks>
/// <code>
/// narinfo = { key ":" " " value LF }
///
/// StorePath    absolute path, required          NarSize      decimal, required
/// URL          text, required                   References   base names with one space in between
/// Compression  text                             Deriver      base name ending in .drv
/// FileHash     sha256:nixbase32                 System       text
/// FileSize     decimal                          Sig          signature, any number of times
/// NarHash      sha256:nixbase32, required       CA           content address
/// </code>
/// Read strictly, except where published caches need leniency, which <see cref="Quirks"/> then tells. Written in the order of Nix, byte for
/// byte as Nix does. Immutable and safe for concurrent use; compared by reference.
/// </remarks>
public sealed partial class NarInfo
{
    /// <summary>The compression of a NAR that is not compressed.</summary>
    public const string NoCompression = "none";

    internal const string DefaultCompression = "bzip2";
    internal const string DerivationSuffix = ".drv";

    /// <summary>The store path.</summary>
    public required StorePath StorePath
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(StorePath));
    }

    /// <summary>Where the NAR file is: a URL, or a path relative to that of the cache.</summary>
    /// <exception cref="ArgumentException">The value is empty or has a line end.</exception>
    public required string Url
    {
        get;
        init => field = CheckText(value, nameof(Url));
    }

    /// <summary>
    /// How the NAR file is compressed, as it is written: <c>none</c>, <c>xz</c>, <c>bzip2</c>, <c>zstd</c>, <c>gzip</c>, <c>br</c>,
    /// <c>lz4</c>, …
    /// </summary>
    /// <value><see cref="NoCompression"/>, unless set.</value>
    /// <exception cref="ArgumentException">The value is empty or has a line end.</exception>
    public string Compression
    {
        get;
        init => field = CheckText(value, nameof(Compression));
    } = NoCompression;

    /// <summary>The SHA-256 of the NAR file as it is in the cache; <see langword="null"/> when the cache does not say.</summary>
    public Sha256Digest? FileHash { get; init; }

    /// <summary>The length in bytes of the NAR file as it is in the cache; <see langword="null"/> when the cache does not say.</summary>
    public ulong? FileSize { get; init; }

    /// <summary>The SHA-256 of the NAR, uncompressed.</summary>
    public required Sha256Digest NarHash { get; init; }

    /// <summary>The length of the NAR in bytes, uncompressed.</summary>
    public required ulong NarSize { get; init; }

    /// <summary>The store paths that the contents refer to, itself included, in the order of the record.</summary>
    /// <value>Empty, unless set. The list is copied.</value>
    public IReadOnlyList<StorePath> References
    {
        get;
        init => field = CopyOf(value, nameof(References));
    } = [];

    /// <summary>
    /// The derivation that built the path, its name <i>without</i> the final <c>.drv</c>; <see langword="null"/> when that is not known.
    /// </summary>
    public StorePath? Deriver { get; init; }

    /// <summary>
    /// The platform that it was built for, such as <c>x86_64-linux</c>; <see langword="null"/> when the cache does not say.
    /// </summary>
    /// <exception cref="ArgumentException">The value is empty or has a line end.</exception>
    public string? System
    {
        get;
        init => field = value is null ? null : CheckText(value, nameof(System));
    }

    /// <summary>The signatures, in the order of the record.</summary>
    /// <value>Empty, unless set. The list is copied.</value>
    /// <exception cref="ArgumentException">
    /// A signature has a name that cannot be written, see <see cref="NarSignature.HasValidName"/>.
    /// </exception>
    public IReadOnlyList<NarSignature> Signatures
    {
        get;
        init
        {
            field = CopyOf(value, nameof(Signatures));
            if (field.Any(signature => !signature.HasValidName))
            {
                throw new ArgumentException("The name of a signature cannot be written.", nameof(Signatures));
            }
        }
    } = [];

    /// <summary>
    /// How the contents were hashed to name the path; <see langword="null"/> when the path is not addressed by its contents.
    /// </summary>
    public ContentAddress? ContentAddress { get; init; }

    /// <summary>What was unusual about the text that this was read from.</summary>
    public NarInfoQuirks Quirks { get; init; }

    /// <summary>The bytes that signatures are over.</summary>
    /// <param name="storeDirectory">The store directory.</param>
    public byte[] GetFingerprint(StoreDirectory storeDirectory = default) =>
        NarFingerprint.Compute(StorePath, NarHash, NarSize, References, storeDirectory);

    /// <summary>The text, with a line end after the last line, in the default store directory.</summary>
    public override string ToString() => ToText();

    /// <summary>The text, with a line end after the last line.</summary>
    /// <param name="storeDirectory">The store directory.</param>
    public string ToText(StoreDirectory storeDirectory = default)
    {
        StringBuilder text = new();
        Append(text, Keys.StorePath, StorePath.ToAbsolutePath(storeDirectory));
        Append(text, Keys.Url, Url);
        if (!(Quirks.HasFlag(NarInfoQuirks.CompressionMissing) && Compression == DefaultCompression))
        {
            Append(text, Keys.Compression, Compression);
        }

        Append(text, Keys.FileHash, FileHash?.ToString());
        Append(text, Keys.FileSize, FileSize?.ToString(global::System.Globalization.CultureInfo.InvariantCulture));
        Append(text, Keys.NarHash, NarHash.ToString());
        Append(text, Keys.NarSize, NarSize.ToString(global::System.Globalization.CultureInfo.InvariantCulture));
        Append(text, Keys.References, string.Join(' ', References)); // with the space even when there are none
        Append(text, Keys.Deriver, Deriver is null ? null : Deriver + DerivationSuffix);
        Append(text, Keys.System, System);
        foreach (NarSignature signature in Signatures)
        {
            Append(text, Keys.Signature, signature.ToString());
        }

        Append(text, Keys.ContentAddress, ContentAddress?.ToString());
        return text.ToString();
    }

    /// <summary>The text in UTF-8, as it is served.</summary>
    /// <param name="storeDirectory">The store directory.</param>
    public byte[] ToUtf8(StoreDirectory storeDirectory = default) => Encoding.UTF8.GetBytes(ToText(storeDirectory));

    private static void Append(StringBuilder text, string key, string? value)
    {
        if (value is not null)
        {
            text.Append(key).Append(": ").Append(value).Append('\n');
        }
    }

    private static string CheckText(string value, string property)
    {
        ArgumentException.ThrowIfNullOrEmpty(value, property);
        return value.Contains('\n') ? throw new ArgumentException("A value cannot have a line end.", property) : value;
    }

    private static T[] CopyOf<T>(IReadOnlyList<T> items, string property)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(items, property);
        T[] copy = [.. items];
        return Array.IndexOf(copy, null) < 0 ? copy : throw new ArgumentException("The list has an item that is null.", property);
    }

    /// <summary>The keys as they are written.</summary>
    private static class Keys
    {
        public const string StorePath = "StorePath";
        public const string Url = "URL";
        public const string Compression = "Compression";
        public const string FileHash = "FileHash";
        public const string FileSize = "FileSize";
        public const string NarHash = "NarHash";
        public const string NarSize = "NarSize";
        public const string References = "References";
        public const string Deriver = "Deriver";
        public const string System = "System";
        public const string Signature = "Sig";
        public const string ContentAddress = "CA";
    }
}
