using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tvix.Store.Nix;

/// <summary>A SHA-256 digest, 32 bytes: what NARs are named with, among others.</summary>
/// <remarks>
/// The text form is <c>sha256:</c> followed by 52 symbols of nixbase32, as in narinfo files.
/// <see langword="default"/> is the digest of 32 zero bytes: a valid value that no known content has.
/// </remarks>
public readonly record struct Sha256Digest
{
    /// <summary>The length of a digest in bytes.</summary>
    public const int Size = 32;

    internal const string Prefix = "sha256:";
    internal const int Base32Length = 52;

    private readonly ulong _w0, _w1, _w2, _w3;

    /// <summary>Makes a digest from its raw bytes.</summary>
    /// <param name="bytes">Exactly <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> has another length.</exception>
    public Sha256Digest(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            throw new ArgumentException($"A SHA-256 digest has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        }

        _w0 = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _w1 = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _w2 = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _w3 = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    /// <summary>Hashes bytes.</summary>
    public static Sha256Digest Compute(ReadOnlySpan<byte> bytes)
    {
        Span<byte> digest = stackalloc byte[Size];
        SHA256.HashData(bytes, digest);
        return new Sha256Digest(digest);
    }

    /// <summary>Parses the bare digest in 52 symbols of nixbase32.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is something else; the message says what is wrong and where.</exception>
    public static Sha256Digest ParseNixBase32(ReadOnlySpan<char> text)
    {
        Span<byte> bytes = stackalloc byte[Size];
        NixBase32Error error = NixBase32.TryDecode(text, bytes, out int position);
        return error == NixBase32Error.None
            ? new Sha256Digest(bytes)
            : throw new FormatException($"Not a SHA-256 digest: {NixBase32.Describe(error, position)}.");
    }

    /// <summary>
    /// Parses the bare digest in 52 symbols of nixbase32; <see langword="false"/> when <paramref name="text"/> is something else.
    /// </summary>
    public static bool TryParseNixBase32(ReadOnlySpan<char> text, out Sha256Digest result)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool ok = NixBase32.TryDecode(text, bytes, out _) == NixBase32Error.None;
        result = ok ? new Sha256Digest(bytes) : default;
        return ok;
    }

    /// <summary>Parses 64 lower-case hexadecimal digits.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is something else.</exception>
    public static Sha256Digest ParseHex(ReadOnlySpan<char> text)
    {
        Span<byte> bytes = stackalloc byte[Size];
        return LowerHex.TryDecode(Utf8Text.Encode(text), bytes)
            ? new Sha256Digest(bytes)
            : throw new FormatException($"Expected {2 * Size} lower-case hexadecimal digits.");
    }

    /// <summary>Writes the 32 raw bytes.</summary>
    /// <param name="destination">At least <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public void CopyTo(Span<byte> destination)
    {
        if (destination.Length < Size)
        {
            throw new ArgumentException($"A SHA-256 digest needs {Size} bytes.", nameof(destination));
        }

        BinaryPrimitives.WriteUInt64BigEndian(destination, _w0);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _w1);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _w2);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _w3);
    }

    /// <summary>The 32 raw bytes, as a new array.</summary>
    public byte[] ToByteArray()
    {
        byte[] bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>The bare digest in 64 lower-case hexadecimal digits.</summary>
    public string ToHexString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    /// <summary>The bare digest in 52 symbols of nixbase32, as in the names of NAR files.</summary>
    public string ToNixBase32String()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return NixBase32.Encode(bytes);
    }

    /// <summary>The digest as a hash that names its algorithm.</summary>
    public NixHash ToNixHash()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return new NixHash(NixHashAlgorithm.Sha256, bytes);
    }

    /// <inheritdoc/>
    public override int GetHashCode() => _w0.GetHashCode();

    /// <summary>The text form, <c>sha256:</c> and 52 symbols of nixbase32.</summary>
    public override string ToString() => Prefix + ToNixBase32String();
}
