using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Tvix.Castore.Model;

namespace Tvix.Store.Nix;

/// <summary>A digest together with the algorithm that made it, in all the spellings that Nix has for one.</summary>
/// <remarks>
/// <code>
/// hash   = algo ":" bare | algo "-" base64 (SRI) | bare (the algorithm is known from elsewhere)
/// algo   = "md5" | "sha1" | "sha256" | "sha512"
/// bare   = lower-case hexadecimal digits | nixbase32 | padded Base64; told apart by length
/// </code>
/// Immutable. Equal when algorithm and bytes are.
/// </remarks>
public sealed class NixHash : IEquatable<NixHash>
{
    /// <summary>The greatest length of a digest, in bytes.</summary>
    public const int MaxSize = 64;

    private static readonly NixHashAlgorithm[] Algorithms =
        [NixHashAlgorithm.Md5, NixHashAlgorithm.Sha1, NixHashAlgorithm.Sha256, NixHashAlgorithm.Sha512];

    private readonly byte[] _digest;

    /// <summary>Makes a hash from a digest.</summary>
    /// <param name="algorithm">What made the digest.</param>
    /// <param name="digest">As many bytes as <see cref="GetSize"/> says; they are copied.</param>
    /// <exception cref="ArgumentException"><paramref name="digest"/> has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="algorithm"/> is none.</exception>
    public NixHash(NixHashAlgorithm algorithm, ReadOnlySpan<byte> digest)
    {
        int size = GetSize(algorithm);
        if (digest.Length != size)
        {
            throw new ArgumentException($"A digest of {GetName(algorithm)} has {size} bytes, not {digest.Length}.", nameof(digest));
        }

        Algorithm = algorithm;
        _digest = digest.ToArray();
    }

    /// <summary>What made the digest.</summary>
    public NixHashAlgorithm Algorithm { get; }

    /// <summary>The raw digest.</summary>
    public ReadOnlySpan<byte> Digest => _digest;

    /// <summary>The length of the algorithm's digests, in bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="algorithm"/> is none.</exception>
    public static int GetSize(NixHashAlgorithm algorithm) => algorithm switch
    {
        NixHashAlgorithm.Md5 => MD5.HashSizeInBytes,
        NixHashAlgorithm.Sha1 => SHA1.HashSizeInBytes,
        NixHashAlgorithm.Sha256 => SHA256.HashSizeInBytes,
        NixHashAlgorithm.Sha512 => SHA512.HashSizeInBytes,
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "Not an algorithm that Nix knows."),
    };

    /// <summary>The algorithm's name as it is written: <c>md5</c>, <c>sha1</c>, <c>sha256</c> or <c>sha512</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="algorithm"/> is none.</exception>
    public static string GetName(NixHashAlgorithm algorithm) => algorithm switch
    {
        NixHashAlgorithm.Md5 => "md5",
        NixHashAlgorithm.Sha1 => "sha1",
        NixHashAlgorithm.Sha256 => "sha256",
        NixHashAlgorithm.Sha512 => "sha512",
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "Not an algorithm that Nix knows."),
    };

    /// <summary>Finds an algorithm by its exact, lower-case name.</summary>
    public static bool TryGetAlgorithm(ReadOnlySpan<byte> name, out NixHashAlgorithm algorithm)
    {
        (bool known, algorithm) = name switch
        {
            _ when name.SequenceEqual("md5"u8) => (true, NixHashAlgorithm.Md5),
            _ when name.SequenceEqual("sha1"u8) => (true, NixHashAlgorithm.Sha1),
            _ when name.SequenceEqual("sha256"u8) => (true, NixHashAlgorithm.Sha256),
            _ when name.SequenceEqual("sha512"u8) => (true, NixHashAlgorithm.Sha512),
            _ => (false, default),
        };
        return known;
    }

    /// <summary>Hashes bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="algorithm"/> is none.</exception>
    [SuppressMessage("Security", "CA5350", Justification = "The format names contents with SHA-1; nothing is secured with it.")]
    [SuppressMessage("Security", "CA5351", Justification = "The format names contents with MD5; nothing is secured with it.")]
    public static NixHash Compute(NixHashAlgorithm algorithm, ReadOnlySpan<byte> bytes) => new(algorithm, algorithm switch
    {
        NixHashAlgorithm.Md5 => MD5.HashData(bytes),
        NixHashAlgorithm.Sha1 => SHA1.HashData(bytes),
        NixHashAlgorithm.Sha256 => SHA256.HashData(bytes),
        NixHashAlgorithm.Sha512 => SHA512.HashData(bytes),
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "Not an algorithm that Nix knows."),
    });

    /// <summary>Parses any of the spellings. The algorithm is never guessed from a length.</summary>
    /// <param name="text">The text.</param>
    /// <param name="wanted">
    /// The algorithm, where it is known from elsewhere. A bare digest needs it; other spellings must agree with it.
    /// </param>
    /// <exception cref="FormatException"><paramref name="text"/> is not such a hash; the message says why.</exception>
    public static NixHash Parse(ReadOnlySpan<char> text, NixHashAlgorithm? wanted = null)
    {
        byte[] utf8 = Utf8Text.Encode(text);
        return TryParse(utf8, wanted, out NixHash? hash, out NixHashError error) ? hash : throw new FormatException(Describe(utf8, error));
    }

    /// <summary>Parses any of the spellings from UTF-8; see <see cref="Parse"/>.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="wanted">The algorithm, where it is known from elsewhere.</param>
    /// <param name="hash">The hash, or <see langword="null"/>.</param>
    /// <param name="error">What is wrong.</param>
    public static bool TryParse(
        ReadOnlySpan<byte> utf8,
        NixHashAlgorithm? wanted,
        [NotNullWhen(true)] out NixHash? hash,
        out NixHashError error)
    {
        hash = null;
        foreach (NixHashAlgorithm algorithm in Algorithms)
        {
            int length = GetName(algorithm).Length;
            if (utf8.Length <= length || !Ascii.Equals(utf8[..length], GetName(algorithm)) || utf8[length] is not ((byte)'-' or (byte)':'))
            {
                continue;
            }

            if (wanted is { } other && other != algorithm)
            {
                error = NixHashError.ConflictingAlgorithms;
                return false;
            }

            ReadOnlySpan<byte> rest = utf8[(length + 1)..];
            return utf8[length] == '-'
                ? TryParseSriDigest(rest, algorithm, out hash, out error)
                : TryParseBare(rest, algorithm, out hash, out error);
        }

        if (wanted is null)
        {
            error = NixHashError.MissingInlineAlgorithm;
            return false;
        }

        return TryParseBare(utf8, wanted.Value, out hash, out error);
    }

    /// <summary>
    /// Parses an SRI string as Nix does: padding may be missing or too much, spare bits may have any value, and what follows the first hash
    /// is ignored.
    /// </summary>
    /// <param name="utf8">The text.</param>
    /// <param name="hash">The hash, or <see langword="null"/>.</param>
    /// <param name="error">What is wrong.</param>
    public static bool TryParseSri(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out NixHash? hash, out NixHashError error)
    {
        hash = null;
        int dash = utf8.IndexOf((byte)'-');
        if (dash < 0)
        {
            error = NixHashError.InvalidSri;
            return false;
        }

        if (!TryGetAlgorithm(utf8[..dash], out NixHashAlgorithm algorithm))
        {
            error = NixHashError.InvalidAlgorithm;
            return false;
        }

        return TryParseSriDigest(utf8[(dash + 1)..], algorithm, out hash, out error);
    }

    /// <summary>Parses an SRI string; see <see cref="TryParseSri"/>.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is no SRI string of a known algorithm; the message says why.</exception>
    public static NixHash ParseSri(ReadOnlySpan<char> text)
    {
        byte[] utf8 = Utf8Text.Encode(text);
        return TryParseSri(utf8, out NixHash? hash, out NixHashError error) ? hash : throw new FormatException(Describe(utf8, error));
    }

    /// <summary>The bare digest in nixbase32.</summary>
    public string ToBareNixBase32String() => NixBase32.Encode(_digest);

    /// <summary>The bare digest in lower-case hexadecimal digits.</summary>
    public string ToBareHexString() => Convert.ToHexStringLower(_digest);

    /// <summary>The bare digest in padded Base64.</summary>
    public string ToBareBase64String() => Convert.ToBase64String(_digest);

    /// <summary>The colon form with nixbase32, as in narinfo files: <c>sha256:1b8m…</c>.</summary>
    public string ToNixBase32String() => $"{GetName(Algorithm)}:{ToBareNixBase32String()}";

    /// <summary>The colon form with hexadecimal digits: <c>sha256:ba78…</c>.</summary>
    public string ToHexString() => $"{GetName(Algorithm)}:{ToBareHexString()}";

    /// <summary>The SRI form, padded: <c>sha256-ungW…=</c>.</summary>
    public string ToSriString() => $"{GetName(Algorithm)}-{ToBareBase64String()}";

    /// <summary>The colon form with nixbase32.</summary>
    public override string ToString() => ToNixBase32String();

    /// <summary>Whether algorithm and digest are the same.</summary>
    public bool Equals(NixHash? other) => other is not null && Algorithm == other.Algorithm && Digest.SequenceEqual(other.Digest);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as NixHash);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.Add(Algorithm);
        hash.AddBytes(_digest);
        return hash.ToHashCode();
    }

    /// <summary>Whether two hashes are the same.</summary>
    public static bool operator ==(NixHash? left, NixHash? right) => left is null ? right is null : left.Equals(right);

    /// <summary>Whether two hashes differ.</summary>
    public static bool operator !=(NixHash? left, NixHash? right) => !(left == right);

    private static bool TryParseBare(
        ReadOnlySpan<byte> text,
        NixHashAlgorithm algorithm,
        [NotNullWhen(true)] out NixHash? hash,
        out NixHashError error)
    {
        Span<byte> digest = stackalloc byte[MaxSize];
        digest = digest[..GetSize(algorithm)];
        if (text.Length == 2 * digest.Length)
        {
            error = LowerHex.TryDecode(text, digest) ? NixHashError.None : NixHashError.InvalidBase16Encoding;
        }
        else if (text.Length == NixBase32.GetEncodedLength(digest.Length))
        {
            error = NixBase32.TryDecode(text, digest, out _) == NixBase32Error.None
                ? NixHashError.None
                : NixHashError.InvalidBase32Encoding;
        }
        else if (text.Length == StrictBase64.PaddedLength(digest.Length))
        {
            error = StrictBase64.TryDecodePadded(text, digest) ? NixHashError.None : NixHashError.InvalidBase64Encoding;
        }
        else
        {
            error = NixHashError.InvalidDigestLength;
        }

        hash = error == NixHashError.None ? new NixHash(algorithm, digest) : null;
        return hash is not null;
    }

    private static bool TryParseSriDigest(
        ReadOnlySpan<byte> text,
        NixHashAlgorithm algorithm,
        [NotNullWhen(true)] out NixHash? hash,
        out NixHashError error)
    {
        hash = null;
        Span<byte> digest = stackalloc byte[MaxSize];
        digest = digest[..GetSize(algorithm)];
        text = text[..Math.Min(text.Length, StrictBase64.PaddedLength(digest.Length))];
        int symbols = StrictBase64.UnpaddedLength(digest.Length);
        if (text.Length < symbols)
        {
            error = NixHashError.InvalidDigestLength;
            return false;
        }

        text = text.TrimEnd((byte)'=');
        if (!StrictBase64.HasOnlySymbols(text))
        {
            error = NixHashError.InvalidBase64Encoding;
            return false;
        }

        if (text.Length != symbols)
        {
            error = NixHashError.InvalidDigestLength;
            return false;
        }

        StrictBase64.TryDecodeUnpadded(text, digest, ignoreSpareBits: true);
        hash = new NixHash(algorithm, digest);
        error = NixHashError.None;
        return true;
    }

    private static string Describe(ReadOnlySpan<byte> text, NixHashError error)
    {
        string shown = ByteText.Show(text);
        return error switch
        {
            NixHashError.InvalidAlgorithm => $"'{shown}' names an algorithm that is none of md5, sha1, sha256 and sha512.",
            NixHashError.MissingInlineAlgorithm => $"'{shown}' does not say which algorithm made it.",
            NixHashError.ConflictingAlgorithms => $"'{shown}' is of another algorithm than wanted.",
            NixHashError.InvalidBase16Encoding => $"'{shown}' is not lower-case hexadecimal.",
            NixHashError.InvalidBase32Encoding => $"'{shown}' is not nixbase32.",
            NixHashError.InvalidBase64Encoding => $"'{shown}' is not standard Base64.",
            NixHashError.InvalidDigestLength => $"'{shown}' has a length that no spelling of the algorithm's digests has.",
            NixHashError.InvalidSri => $"'{shown}' is no SRI string: it has no dash.",
            _ => $"'{shown}' is a hash.",
        };
    }
}
