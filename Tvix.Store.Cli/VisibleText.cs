using System.Buffers;
using System.Globalization;
using System.Text;

namespace Tvix.Store.Cli;

/// <summary>Names as a terminal can show them.</summary>
internal static class VisibleText
{
    /// <summary>UTF-8 as it is; control characters, backslashes and bytes that are not UTF-8 as <c>\xNN</c>.</summary>
    public static string Of(ReadOnlySpan<byte> bytes)
    {
        StringBuilder text = new(bytes.Length);
        while (!bytes.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int used);
            if (status == OperationStatus.Done && !Rune.IsControl(rune) && rune.Value != '\\')
            {
                text.Append(rune);
            }
            else
            {
                foreach (byte b in bytes[..used])
                {
                    text.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}");
                }
            }

            bytes = bytes[used..];
        }

        return text.ToString();
    }
}
