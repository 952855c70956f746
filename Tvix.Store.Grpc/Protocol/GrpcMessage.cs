using System.Text;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>The text of a status as it stands in a header: UTF-8, of which everything but printable ASCII is written as <c>%XX</c>.</summary>
internal static class GrpcMessage
{
    /// <summary>The longest text that is sent, in bytes of UTF-8: headers are limited.</summary>
    private const int MaxLength = 4096;

    public static string Encode(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        StringBuilder encoded = new(bytes.Length);
        foreach (byte b in bytes.AsSpan(0, Math.Min(bytes.Length, MaxLength)))
        {
            if (b is >= 0x20 and <= 0x7e and not (byte)'%')
            {
                encoded.Append((char)b);
            }
            else
            {
                encoded.Append('%').Append(Convert.ToHexString([b]));
            }
        }

        return encoded.ToString();
    }

    /// <summary>Takes everything: what is no escape stays as it is.</summary>
    public static string Decode(string encoded)
    {
        if (!encoded.Contains('%', StringComparison.Ordinal))
        {
            return encoded;
        }

        byte[] bytes = Encoding.UTF8.GetBytes(encoded);
        int written = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            bool isEscape = bytes[i] == '%' && i + 2 < bytes.Length && char.IsAsciiHexDigit((char)bytes[i + 1]) && char.IsAsciiHexDigit((char)bytes[i + 2]);
            bytes[written++] = isEscape ? Convert.FromHexString([(char)bytes[i + 1], (char)bytes[i + 2]])[0] : bytes[i];
            i += isEscape ? 2 : 0;
        }

        return Encoding.UTF8.GetString(bytes, 0, written);
    }
}
