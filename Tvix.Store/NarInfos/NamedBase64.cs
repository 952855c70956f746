using System.Text;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

/// <summary>The text form that signatures and keys have in common: <c>name:base64</c>.</summary>
internal static class NamedBase64
{
    /// <summary>Splits and decodes. The bytes go to <paramref name="destination"/>, which has the length that they must have.</summary>
    /// <param name="foundLength">For <see cref="NarKeyError.InvalidLength"/>, the length of the Base64 that was found.</param>
    public static NarKeyError TryParse(ReadOnlySpan<byte> utf8, Span<byte> destination, out string name, out int foundLength)
    {
        name = "";
        foundLength = 0;
        int colon = utf8.IndexOf((byte)':');
        if (colon < 0)
        {
            return NarKeyError.MissingSeparator;
        }

        if (!IsValidName(utf8[..colon]))
        {
            return NarKeyError.InvalidName;
        }

        ReadOnlySpan<byte> base64 = utf8[(colon + 1)..];
        foundLength = base64.Length;
        if (base64.Length != StrictBase64.PaddedLength(destination.Length))
        {
            return NarKeyError.InvalidLength;
        }

        if (!StrictBase64.TryDecodePadded(base64, destination))
        {
            return NarKeyError.InvalidEncoding;
        }

        name = Encoding.UTF8.GetString(utf8[..colon]);
        return NarKeyError.None;
    }

    /// <summary>Whether a name can be written and read back: not empty, no colon, no white space, no control characters.</summary>
    public static bool IsValidName(ReadOnlySpan<byte> name)
    {
        bool valid = !name.IsEmpty && !name.Contains((byte)':');
        while (valid && !name.IsEmpty)
        {
            valid = Rune.DecodeFromUtf8(name, out Rune rune, out int used) == System.Buffers.OperationStatus.Done
                && !Rune.IsWhiteSpace(rune) && !Rune.IsControl(rune);
            name = name[used..];
        }

        return valid;
    }

    /// <summary>As the other overload; surrogates without their other half cannot be written either.</summary>
    public static bool IsValidName(string name)
    {
        byte[] utf8 = Utf8Text.Encode(name);
        return IsValidName(utf8) && Encoding.UTF8.GetString(utf8) == name;
    }

    public static void CheckName(string name, string parameter)
    {
        ArgumentNullException.ThrowIfNull(name, parameter);
        if (!IsValidName(name))
        {
            throw new ArgumentException($"'{ByteText.Show(Utf8Text.Encode(name))}' cannot be the name of a key.", parameter);
        }
    }

    /// <summary>A message that does not repeat the text, which may be a secret.</summary>
    public static string Describe(NarKeyError error, string what, int size, int foundLength) => error switch
    {
        NarKeyError.MissingSeparator => $"This is no {what}: expected a name, a colon and Base64.",
        NarKeyError.InvalidName => $"The name of the {what} is not valid: it must not be empty or contain blanks or control characters.",
        NarKeyError.InvalidLength => $"The Base64 of the {what} has {foundLength} characters instead of {StrictBase64.PaddedLength(size)}.",
        NarKeyError.InvalidEncoding => $"What follows the name of the {what} is not standard Base64.",
        NarKeyError.InvalidKey => $"The bytes of the {what} are not a valid key.",
        _ => $"The {what} is valid.",
    };
}
