using System.Diagnostics.CodeAnalysis;
using Tvix.Castore.Model;

namespace Tvix.Store.Nix;

/// <summary>Says how a store path's contents were hashed to obtain its name, and what came out.</summary>
/// <remarks>
/// <code>
/// ca = "text:sha256:" nixbase32 | "fixed:" [ "r:" ] algo ":" nixbase32
/// </code>
/// Immutable, compared by value.
/// </remarks>
public sealed record ContentAddress
{
    /// <summary>Makes a content address.</summary>
    /// <exception cref="ArgumentException">A text with another algorithm than SHA-256.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="kind"/> is none.</exception>
    public ContentAddress(ContentAddressKind kind, NixHash hash)
    {
        ArgumentNullException.ThrowIfNull(hash);
        if (kind is not (ContentAddressKind.Text or ContentAddressKind.Flat or ContentAddressKind.Nar))
        {
            throw new ArgumentOutOfRangeException(nameof(kind), kind, "Not a kind of content address.");
        }

        if (kind == ContentAddressKind.Text && hash.Algorithm != NixHashAlgorithm.Sha256)
        {
            throw new ArgumentException("A text is addressed with SHA-256 only.", nameof(hash));
        }

        Kind = kind;
        Hash = hash;
    }

    /// <summary>What was hashed.</summary>
    public ContentAddressKind Kind { get; }

    /// <summary>The hash.</summary>
    public NixHash Hash { get; }

    /// <summary>The address of a text: a file whose references are known.</summary>
    public static ContentAddress Text(Sha256Digest contents) => new(ContentAddressKind.Text, contents.ToNixHash());

    /// <summary>The address of a regular file by its bytes.</summary>
    public static ContentAddress Flat(NixHash contents) => new(ContentAddressKind.Flat, contents);

    /// <summary>The address of a tree by its NAR.</summary>
    public static ContentAddress Nar(NixHash nar) => new(ContentAddressKind.Nar, nar);

    /// <summary>The address of a tree by the SHA-256 of its NAR.</summary>
    public static ContentAddress Nar(Sha256Digest nar) => new(ContentAddressKind.Nar, nar.ToNixHash());

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is no content address.</exception>
    public static ContentAddress Parse(ReadOnlySpan<char> text)
    {
        byte[] utf8 = Utf8Text.Encode(text);
        return TryParse(utf8, out ContentAddress? result)
            ? result
            : throw new FormatException(
                $"'{ByteText.Show(utf8)}' is no content address: expected 'text:sha256:', or 'fixed:' or 'fixed:r:' with an algorithm, "
                + "and a digest in nixbase32.");
    }

    /// <summary>Parses the text form from UTF-8; <see langword="false"/> when it is something else.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out ContentAddress? result)
    {
        result = null;
        ContentAddressKind kind;
        if (utf8.StartsWith("text:"u8))
        {
            kind = ContentAddressKind.Text;
            utf8 = utf8["text:".Length..];
        }
        else if (utf8.StartsWith("fixed:r:"u8))
        {
            kind = ContentAddressKind.Nar;
            utf8 = utf8["fixed:r:".Length..];
        }
        else if (utf8.StartsWith("fixed:"u8))
        {
            kind = ContentAddressKind.Flat;
            utf8 = utf8["fixed:".Length..];
        }
        else
        {
            return false;
        }

        int colon = utf8.IndexOf((byte)':');
        if (colon < 0
            || !NixHash.TryGetAlgorithm(utf8[..colon], out NixHashAlgorithm algorithm)
            || (kind == ContentAddressKind.Text && algorithm != NixHashAlgorithm.Sha256))
        {
            return false;
        }

        Span<byte> digest = stackalloc byte[NixHash.MaxSize];
        digest = digest[..NixHash.GetSize(algorithm)];
        if (NixBase32.TryDecode(utf8[(colon + 1)..], digest, out _) != NixBase32Error.None)
        {
            return false;
        }

        result = new ContentAddress(kind, new NixHash(algorithm, digest));
        return true;
    }

    /// <summary>
    /// Reads the two keys by which the JSON of a derivation's output gives its content address: <c>hash</c>, in hexadecimal, nixbase32 or padded Base64, and
    /// <c>hashAlgo</c>, an algorithm with <c>r:</c> before it for a NAR.
    /// </summary>
    /// <returns>The address; <see langword="null"/> when both keys are missing. A text cannot be written in this form.</returns>
    /// <exception cref="FormatException">Only one of the keys is there, or one is not valid.</exception>
    public static ContentAddress? FromDerivationOutput(string? hash, string? hashAlgo)
    {
        if (hash is null && hashAlgo is null)
        {
            return null;
        }

        if (hash is null || hashAlgo is null)
        {
            throw new FormatException($"A derivation's output has '{(hash is null ? "hashAlgo" : "hash")}' but not the other of 'hash' and 'hashAlgo'.");
        }

        bool isNar = hashAlgo.StartsWith("r:", StringComparison.Ordinal);
        if (!NixHash.TryGetAlgorithm(Utf8Text.Encode(isNar ? hashAlgo.AsSpan(2) : hashAlgo), out NixHashAlgorithm algorithm))
        {
            throw new FormatException($"'{hashAlgo}' is no algorithm of a derivation's output.");
        }

        return new ContentAddress(isNar ? ContentAddressKind.Nar : ContentAddressKind.Flat, NixHash.Parse(hash, algorithm));
    }

    /// <summary>The text form, as in the <c>CA</c> line of a narinfo.</summary>
    public override string ToString() => Kind switch
    {
        ContentAddressKind.Text => "text:",
        ContentAddressKind.Nar => "fixed:r:",
        _ => "fixed:",
    } + Hash.ToNixBase32String();
}
