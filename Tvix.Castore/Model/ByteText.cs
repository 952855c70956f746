using System.Text;

namespace Tvix.Castore.Model;

/// <summary>How byte strings are shown to people: as UTF-8 where they are, with escapes where not.</summary>
internal static class ByteText
{
    /// <summary>Text for messages and logs; control characters, backslashes and bytes that are not UTF-8 become <c>\xNN</c>.</summary>
    public static string Show(ReadOnlySpan<byte> bytes, int maxBytes = 256)
    {
        bool cut = bytes.Length > maxBytes;
        if (cut)
        {
            bytes = bytes[..maxBytes];
        }

        StringBuilder text = new(bytes.Length);
        while (!bytes.IsEmpty)
        {
            var status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int used);
            if (status == System.Buffers.OperationStatus.Done && !Rune.IsControl(rune) && rune.Value != '\\')
            {
                text.Append(rune);
            }
            else
            {
                foreach (byte b in bytes[..used])
                {
                    text.Append("\\x").Append(b.ToString("x2"));
                }
            }

            bytes = bytes[used..];
        }

        return cut ? text.Append('…').ToString() : text.ToString();
    }
}
