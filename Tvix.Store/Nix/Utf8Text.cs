using System.Text;

namespace Tvix.Store.Nix;

/// <summary>The formats here are defined over bytes; callers may also have text.</summary>
internal static class Utf8Text
{
    public static byte[] Encode(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }
}
