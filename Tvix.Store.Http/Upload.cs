using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nix;

namespace Tvix.Store.Http;

/// <summary>A NAR file that was uploaded, and verified as far as it can be without its narinfo.</summary>
/// <param name="FileHash">The SHA-256 of the file, which is in its name.</param>
/// <param name="FileSize">The length of the file in bytes.</param>
/// <param name="Compression">How it was compressed.</param>
/// <param name="NarHash">The SHA-256 of the NAR.</param>
/// <param name="NarSize">The length of the NAR in bytes.</param>
/// <param name="Root">The root of its tree, which is stored.</param>
/// <remarks>
/// As text:
/// <code>
/// upload = "tvix-upload-1 " hash(FileHash) " " FileSize " " Compression " " hash(NarHash) " " NarSize " " base64url(Root) "\n"
/// hash   = 52 symbols of nixbase32
/// </code>
/// </remarks>
internal sealed record Upload(Sha256Digest FileHash, ulong FileSize, string Compression, Sha256Digest NarHash, ulong NarSize, Node Root)
{
    private const string Header = "tvix-upload-1";

    /// <summary>The same for the NAR that is in the file.</summary>
    public Upload OfNar => new(NarHash, NarSize, NarCompression.None, NarHash, NarSize, Root);

    /// <summary>Reads the text; <see langword="null"/> when it is something else.</summary>
    public static Upload? Parse(ReadOnlySpan<byte> text)
    {
        string[] words = Encoding.ASCII.GetString(text).Split(' ');
        return words is [Header, { } fileHash, { } fileSize, { } compression, { } narHash, { } narSize, [.. { } root, '\n']]
            && Sha256Digest.TryParseNixBase32(fileHash, out Sha256Digest file)
            && ulong.TryParse(fileSize, NumberStyles.None, CultureInfo.InvariantCulture, out ulong fileLength)
            && NarCompression.IsKnown(compression)
            && Sha256Digest.TryParseNixBase32(narHash, out Sha256Digest nar)
            && ulong.TryParse(narSize, NumberStyles.None, CultureInfo.InvariantCulture, out ulong narLength)
            && NarCatalog.DecodeNode(root, out _) is { } node
            ? new Upload(file, fileLength, compression, nar, narLength, node)
            : null;
    }

    /// <summary>Writes the text.</summary>
    public byte[] ToBytes() => Encoding.ASCII.GetBytes(string.Create(
        CultureInfo.InvariantCulture,
        $"{Header} {FileHash.ToNixBase32String()} {FileSize} {Compression} {NarHash.ToNixBase32String()} {NarSize} {Base64Url.EncodeToString(DirectoryCodec.EncodeNode(default, Root))}\n"));
}
