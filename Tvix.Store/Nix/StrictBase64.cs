namespace Tvix.Store.Nix;

/// <summary>
/// Standard Base64 (RFC 4648, section 4) without the leniency of the base class library, which skips blanks and ignores spare bits.
/// </summary>
internal static class StrictBase64
{
    public static int PaddedLength(int byteCount) => (byteCount + 2) / 3 * 4;

    public static int UnpaddedLength(int byteCount) => ((byteCount * 4) + 2) / 3;

    /// <summary>Decodes padded text of exactly the right length for <paramref name="destination"/>; spare bits must be zero.</summary>
    public static bool TryDecodePadded(ReadOnlySpan<byte> text, Span<byte> destination)
    {
        int symbols = UnpaddedLength(destination.Length);
        return text.Length == PaddedLength(destination.Length)
            && text[symbols..].IndexOfAnyExcept((byte)'=') < 0
            && TryDecodeUnpadded(text[..symbols], destination, ignoreSpareBits: false);
    }

    /// <summary>Decodes text without padding, of exactly the right length for <paramref name="destination"/>.</summary>
    public static bool TryDecodeUnpadded(ReadOnlySpan<byte> text, Span<byte> destination, bool ignoreSpareBits)
    {
        uint bits = 0;
        int count = 0;
        int at = 0;
        foreach (byte symbol in text)
        {
            int value = ValueOf(symbol);
            if (value < 0)
            {
                return false;
            }

            bits = (bits << 6) | (uint)value;
            count += 6;
            if (count >= 8)
            {
                count -= 8;
                destination[at++] = (byte)(bits >> count);
                bits &= (1u << count) - 1;
            }
        }

        return at == destination.Length && (ignoreSpareBits || bits == 0);
    }

    public static bool HasOnlySymbols(ReadOnlySpan<byte> text)
    {
        foreach (byte symbol in text)
        {
            if (ValueOf(symbol) < 0)
            {
                return false;
            }
        }

        return true;
    }

    private static int ValueOf(byte symbol) => symbol switch
    {
        >= (byte)'A' and <= (byte)'Z' => symbol - 'A',
        >= (byte)'a' and <= (byte)'z' => symbol - 'a' + 26,
        >= (byte)'0' and <= (byte)'9' => symbol - '0' + 52,
        (byte)'+' => 62,
        (byte)'/' => 63,
        _ => -1,
    };
}
