using System.Buffers;
using System.Buffers.Binary;

namespace Tvix.Castore.Model;

/// <summary>
/// A BLAKE3 digest: 32 bytes of output of the plain (un-keyed) hash mode. It names a blob, a chunk or an encoded directory.
/// </summary>
/// <remarks>
/// <para>The text form is <c>blake3-</c> followed by 44 characters of standard Base64 with padding, like an SRI string. Parsing also
/// accepts the older form <c>b3:</c> with the same Base64.</para>
/// <para><see langword="default"/> is the digest of 32 zero bytes: a valid value that no known content has.</para>
/// </remarks>
public readonly record struct B3Digest : IComparable<B3Digest>, ISpanParsable<B3Digest>, ISpanFormattable
{
    /// <summary>The length of a digest in bytes.</summary>
    public const int Size = 32;

    private const string Prefix = "blake3-";
    private const string LegacyPrefix = "b3:";
    private const int Base64Length = 44;

    private readonly ulong _w0, _w1, _w2, _w3; // big-endian words, so that the order of the words is the order of the bytes

    /// <summary>Makes a digest from its raw bytes.</summary>
    /// <param name="bytes">Exactly <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> has another length.</exception>
    public B3Digest(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            throw new ArgumentException($"A BLAKE3 digest has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        }

        _w0 = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _w1 = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _w2 = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _w3 = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    /// <summary>The digest of zero bytes: that of the empty blob and, alike, of the empty directory.</summary>
    public static B3Digest Empty { get; } = ParseHex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");

    /// <summary>The first eight bytes as a big-endian number; evenly spread, so it serves as a hash or a short key.</summary>
    internal ulong Prefix64 => _w0;

    /// <summary>Writes the 32 raw bytes.</summary>
    /// <param name="destination">At least <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public void CopyTo(Span<byte> destination)
    {
        if (destination.Length < Size)
        {
            throw new ArgumentException($"A BLAKE3 digest needs {Size} bytes.", nameof(destination));
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

    /// <summary>64 lower-case hexadecimal digits, the form used in storage keys.</summary>
    public string ToHexString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    /// <summary>Parses 64 hexadecimal digits of either case.</summary>
    /// <exception cref="FormatException"><paramref name="hex"/> is something else.</exception>
    public static B3Digest ParseHex(ReadOnlySpan<char> hex)
    {
        Span<byte> bytes = stackalloc byte[Size];
        if (hex.Length != 2 * Size || Convert.FromHexString(hex, bytes, out _, out int written) != OperationStatus.Done || written != Size)
        {
            throw new FormatException($"Expected {2 * Size} hexadecimal digits.");
        }

        return new B3Digest(bytes);
    }

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException"><paramref name="s"/> is not a digest; the message says what is wrong with it.</exception>
    public static B3Digest Parse(ReadOnlySpan<char> s) =>
        TryParse(s, out B3Digest digest) ? digest : throw new FormatException("Expected 'blake3-' and 44 characters of Base64.");

    /// <summary>Parses the text form.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="s"/> is <see langword="null"/>.</exception>
    /// <exception cref="FormatException"><paramref name="s"/> is not a digest.</exception>
    public static B3Digest Parse(string s)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan());
    }

    /// <summary>Parses the text form; <see langword="false"/> when <paramref name="s"/> is something else.</summary>
    public static bool TryParse(ReadOnlySpan<char> s, out B3Digest result)
    {
        result = default;
        if (s.StartsWith(Prefix, StringComparison.Ordinal))
        {
            s = s[Prefix.Length..];
        }
        else if (s.StartsWith(LegacyPrefix, StringComparison.Ordinal))
        {
            s = s[LegacyPrefix.Length..];
        }
        else
        {
            return false;
        }

        // The length rules out white space, which Convert would skip.
        Span<byte> bytes = stackalloc byte[Size + 1];
        if (s.Length != Base64Length || !Convert.TryFromBase64Chars(s, bytes, out int written) || written != Size)
        {
            return false;
        }

        // The last character before the padding has two bits to spare, which must be zero, so that a digest has one text only.
        Span<char> canonical = stackalloc char[Base64Length];
        Convert.TryToBase64Chars(bytes[..Size], canonical, out _);
        if (!s.SequenceEqual(canonical))
        {
            return false;
        }

        result = new B3Digest(bytes[..Size]);
        return true;
    }

    /// <summary>Compares as byte strings do: unsigned, from the first byte on.</summary>
    public int CompareTo(B3Digest other)
    {
        int c = _w0.CompareTo(other._w0);
        c = c != 0 ? c : _w1.CompareTo(other._w1);
        c = c != 0 ? c : _w2.CompareTo(other._w2);
        return c != 0 ? c : _w3.CompareTo(other._w3);
    }

    /// <inheritdoc/>
    public override int GetHashCode() => _w0.GetHashCode();

    /// <summary>The text form, <c>blake3-…</c>.</summary>
    public override string ToString()
    {
        Span<char> text = stackalloc char[Prefix.Length + Base64Length];
        Format(text);
        return new string(text);
    }

    private void Format(Span<char> text)
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        Prefix.CopyTo(text);
        Convert.TryToBase64Chars(bytes, text[Prefix.Length..], out _);
    }

    bool ISpanFormattable.TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        charsWritten = 0;
        if (destination.Length < Prefix.Length + Base64Length)
        {
            return false;
        }

        Format(destination);
        charsWritten = Prefix.Length + Base64Length;
        return true;
    }

    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();

    static B3Digest ISpanParsable<B3Digest>.Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    static bool ISpanParsable<B3Digest>.TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out B3Digest result) =>
        TryParse(s, out result);

    static B3Digest IParsable<B3Digest>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static bool IParsable<B3Digest>.TryParse(string? s, IFormatProvider? provider, out B3Digest result) => TryParse(s, out result);
}
