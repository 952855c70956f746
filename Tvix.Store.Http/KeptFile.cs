using System.Globalization;
using System.Text;
using Tvix.Store.Nix;

namespace Tvix.Store.Http;

/// <summary>What is known of a file that is kept as it came.</summary>
/// <param name="Name">Its name in the cache.</param>
/// <param name="ContentType">What it is.</param>
/// <param name="ContentEncoding">How it is encoded; <see langword="null"/> when it is not.</param>
/// <param name="Hash">The SHA-256 of what it has.</param>
/// <remarks>
/// As lines of ASCII in front of the contents:
/// <code>
/// head = "tvix-kept-1 " 52 symbols of nixbase32 "\n" percent-encoded(Name) "\n" ContentType "\n" ContentEncoding "\n"
/// </code>
/// </remarks>
internal sealed record KeptFile(string Name, string ContentType, string? ContentEncoding, Sha256Digest Hash)
{
    private const string Header = "tvix-kept-1 ";

    /// <summary>How long a head may be in bytes.</summary>
    public const int MaxHeadLength = 8192;

    /// <summary>How long the names of types and encodings may be.</summary>
    public const int MaxTypeLength = 128;

    /// <summary>Writes the head.</summary>
    public byte[] ToBytes() => Encoding.ASCII.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"{Header}{Hash.ToNixBase32String()}\n{Uri.EscapeDataString(Name)}\n{ContentType}\n{ContentEncoding}\n"));

    /// <summary>Reads the head; <see langword="null"/> when it is something else.</summary>
    /// <param name="start">The start of the file.</param>
    /// <param name="length">How long the head is.</param>
    public static KeptFile? Parse(ReadOnlySpan<byte> start, out int length)
    {
        length = 0;
        for (int lines = 0; lines < 4; lines++)
        {
            int line = start[length..].IndexOf((byte)'\n');
            if (line < 0)
            {
                return null;
            }

            length += line + 1;
        }

        string[] parts = Encoding.ASCII.GetString(start[..length]).Split('\n');
        return parts[0].StartsWith(Header, StringComparison.Ordinal) && Sha256Digest.TryParseNixBase32(parts[0].AsSpan(Header.Length), out Sha256Digest hash)
            ? new KeptFile(Uri.UnescapeDataString(parts[1]), parts[2], parts[3].Length == 0 ? null : parts[3], hash)
            : null;
    }
}
