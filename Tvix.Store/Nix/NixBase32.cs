using System.Numerics;

namespace Tvix.Store.Nix;

/// <summary>Nix's own base 32: the text of hashes in store paths and narinfo files.</summary>
/// <remarks>
/// <para>The bytes are one little-endian number, written in digits of five bits with the most significant first. The digits are
/// <c>0123456789abcdfghijklmnpqrsvwxyz</c>, lower case only; there is no padding. Every byte string has exactly one spelling.</para>
/// <para>So texts of one length are in the order of their bytes compared from the last to the first.</para>
/// </remarks>
public static class NixBase32
{
    private const byte Invalid = 0xff;

    private static ReadOnlySpan<byte> Alphabet => "0123456789abcdfghijklmnpqrsvwxyz"u8;

    // 0…31 for the symbols, 255 for all other bytes
    private static readonly byte[] Values = MakeValues();

    /// <summary>The number of symbols that encode so many bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="byteCount"/> is negative.</exception>
    public static int GetEncodedLength(int byteCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        return checked((int)(((byteCount * 8L) + 4) / 5));
    }

    /// <summary>The number of bytes that so many symbols encode, rounded down where no byte string has that many symbols.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="symbolCount"/> is negative.</exception>
    public static int GetDecodedLength(int symbolCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(symbolCount);
        return (int)(symbolCount * 5L / 8);
    }

    /// <summary>Encodes bytes as text.</summary>
    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        int length = GetEncodedLength(bytes.Length);
        if (length <= 128)
        {
            Span<char> text = stackalloc char[length];
            EncodeCore(bytes, text);
            return new string(text);
        }

        char[] longText = new char[length];
        EncodeCore(bytes, longText);
        return new string(longText);
    }

    /// <summary>
    /// Encodes bytes into characters; <see langword="false"/>, with nothing written, when <paramref name="destination"/> is too short.
    /// </summary>
    public static bool TryEncode(ReadOnlySpan<byte> bytes, Span<char> destination, out int charsWritten)
    {
        int length = GetEncodedLength(bytes.Length);
        bool fits = destination.Length >= length;
        charsWritten = fits ? length : 0;
        if (fits)
        {
            EncodeCore(bytes, destination[..length]);
        }

        return fits;
    }

    /// <summary>
    /// Encodes bytes as ASCII text; <see langword="false"/>, with nothing written, when <paramref name="destination"/> is too short.
    /// </summary>
    public static bool TryEncode(ReadOnlySpan<byte> bytes, Span<byte> destination, out int bytesWritten)
    {
        int length = GetEncodedLength(bytes.Length);
        bool fits = destination.Length >= length;
        bytesWritten = fits ? length : 0;
        if (fits)
        {
            EncodeCore(bytes, destination[..length]);
        }

        return fits;
    }

    /// <summary>Decodes text.</summary>
    /// <exception cref="FormatException">
    /// <paramref name="text"/> is not nixbase32; the message says what is wrong and at which position.
    /// </exception>
    public static byte[] Decode(ReadOnlySpan<char> text)
    {
        // Bounded by the text that is already in memory.
        byte[] bytes = new byte[GetDecodedLength(text.Length)];
        NixBase32Error error = DecodeCore(text, bytes, out int position);
        return error == NixBase32Error.None ? bytes : throw new FormatException(Describe(error, position));
    }

    /// <summary>Decodes text into exactly as many bytes as <paramref name="destination"/> has.</summary>
    /// <param name="text">The text.</param>
    /// <param name="destination">Receives the bytes; its contents are undefined when decoding fails.</param>
    /// <param name="position">Where in the text the error is, counted from 0; 0 when there is none.</param>
    /// <returns>What is wrong, or <see cref="NixBase32Error.None"/>.</returns>
    public static NixBase32Error TryDecode(ReadOnlySpan<char> text, Span<byte> destination, out int position) =>
        DecodeCore(text, destination, out position);

    /// <summary>Decodes ASCII text into exactly as many bytes as <paramref name="destination"/> has.</summary>
    /// <param name="text">The text.</param>
    /// <param name="destination">Receives the bytes; its contents are undefined when decoding fails.</param>
    /// <param name="position">Where in the text the error is, counted from 0; 0 when there is none.</param>
    /// <returns>What is wrong, or <see cref="NixBase32Error.None"/>.</returns>
    public static NixBase32Error TryDecode(ReadOnlySpan<byte> text, Span<byte> destination, out int position) =>
        DecodeCore(text, destination, out position);

    internal static string Describe(NixBase32Error error, int position) => error switch
    {
        NixBase32Error.Length => $"the nixbase32 text has an impossible length (position {position})",
        NixBase32Error.Symbol => $"the symbol at position {position} is not one of nixbase32",
        NixBase32Error.Trailing => $"the spare bits of the nixbase32 symbol at position {position} are not zero",
        _ => "nothing is wrong",
    };

    private static void EncodeCore<T>(ReadOnlySpan<byte> bytes, Span<T> text)
        where T : unmanaged, IBinaryInteger<T>
    {
        // From the least significant end, five bits at a time.
        uint bits = 0;
        int count = 0;
        int at = 0;
        for (int i = text.Length - 1; i >= 0; i--)
        {
            if (count < 5 && at < bytes.Length)
            {
                bits |= (uint)bytes[at++] << count;
                count += 8;
            }

            text[i] = T.CreateTruncating(Alphabet[(int)(bits & 31)]);
            bits >>= 5;
            count -= 5;
        }
    }

    private static NixBase32Error DecodeCore<T>(ReadOnlySpan<T> text, Span<byte> bytes, out int position)
        where T : unmanaged, IBinaryInteger<T>
    {
        int expected = GetEncodedLength(bytes.Length);
        if (text.Length != expected)
        {
            position = Math.Min(text.Length, expected);
            return NixBase32Error.Length;
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (ValueOf(text[i]) == Invalid)
            {
                position = i;
                return NixBase32Error.Symbol;
            }
        }

        position = 0;
        uint bits = 0;
        int count = 0;
        int at = 0;
        for (int i = text.Length - 1; i >= 0; i--)
        {
            bits |= (uint)ValueOf(text[i]) << count;
            count += 5;
            if (count >= 8 && at < bytes.Length)
            {
                bytes[at++] = (byte)bits;
                bits >>= 8;
                count -= 8;
            }
        }

        return bits == 0 ? NixBase32Error.None : NixBase32Error.Trailing;
    }

    private static byte ValueOf<T>(T symbol)
        where T : unmanaged, IBinaryInteger<T>
    {
        uint code = uint.CreateTruncating(symbol);
        return code < 128 ? Values[code] : Invalid;
    }

    private static byte[] MakeValues()
    {
        byte[] values = new byte[128];
        Array.Fill(values, Invalid);
        for (int i = 0; i < Alphabet.Length; i++)
        {
            values[Alphabet[i]] = (byte)i;
        }

        return values;
    }
}
