namespace Tvix.Store.Nix;

/// <summary>Hexadecimal digits of lower case only, as Nix writes them.</summary>
internal static class LowerHex
{
    /// <summary>Decodes exactly two digits per byte of <paramref name="destination"/>.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> text, Span<byte> destination)
    {
        if (text.Length != 2 * destination.Length)
        {
            return false;
        }

        for (int i = 0; i < destination.Length; i++)
        {
            int high = ValueOf(text[2 * i]);
            int low = ValueOf(text[(2 * i) + 1]);
            if ((high | low) < 0)
            {
                return false;
            }

            destination[i] = (byte)((high << 4) | low);
        }

        return true;
    }

    private static int ValueOf(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
        _ => -1,
    };
}
