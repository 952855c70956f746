using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

/// <summary>The names of the files of a binary cache.</summary>
/// <remarks>
/// <code>
/// narinfo = 32 symbols of nixbase32 ".narinfo"             the hash part of the store path
/// nar     = 52 symbols of nixbase32 ".nar" suffix          by convention the SHA-256 of the file; below nar/
/// </code>
/// </remarks>
public static class BinaryCacheFileName
{
    private const string NarExtension = ".nar";
    internal const string ZstdNarExtension = ".nar.zst";

    private const string NarInfoExtension = ".narinfo";

    /// <summary>Reads the name of a narinfo; <see langword="false"/> when it is something else.</summary>
    public static bool TryParseNarInfo(ReadOnlySpan<char> fileName, out StorePathDigest digest)
    {
        digest = default;
        return fileName.EndsWith(NarInfoExtension, StringComparison.Ordinal)
            && StorePathDigest.TryParse(fileName[..^NarInfoExtension.Length], out digest);
    }

    /// <summary>Reads the name of a NAR, without the folder; <see langword="false"/> when it is something else.</summary>
    /// <param name="fileName">The name.</param>
    /// <param name="digest">The SHA-256 in the name.</param>
    /// <param name="suffix">
    /// What follows <c>.nar</c>, such as <c>.xz</c>; may be empty. Only a habit: the narinfo says how the file is compressed.
    /// </param>
    public static bool TryParseNar(ReadOnlySpan<char> fileName, out Sha256Digest digest, [NotNullWhen(true)] out string? suffix)
    {
        digest = default;
        suffix = null;
        if (fileName.Length < Sha256Digest.Base32Length + NarExtension.Length
            || !fileName[Sha256Digest.Base32Length..].StartsWith(NarExtension, StringComparison.Ordinal)
            || !Sha256Digest.TryParseNixBase32(fileName[..Sha256Digest.Base32Length], out digest))
        {
            return false;
        }

        suffix = fileName[(Sha256Digest.Base32Length + NarExtension.Length)..].ToString();
        return true;
    }

    /// <summary>The name of a path's narinfo.</summary>
    public static string FormatNarInfo(StorePathDigest digest) => digest + NarInfoExtension;

    /// <summary>The name of a NAR, without the folder.</summary>
    /// <param name="digest">The SHA-256 of the file.</param>
    /// <param name="suffix">What to add after <c>.nar</c>; may be empty.</param>
    public static string FormatNar(Sha256Digest digest, string suffix = "") => digest.ToNixBase32String() + NarExtension + suffix;

    /// <summary>Where a cache that makes NARs when they are asked for has the one of a tree: the tree's root itself is in the name.</summary>
    /// <param name="root">The root of the tree.</param>
    /// <param name="narSize">The length of the NAR in bytes.</param>
    /// <returns>A path relative to the cache: <c>nar/tvix-castore/</c>, the nameless <c>Node</c> message in base64url, <c>?narsize=</c> and the length.</returns>
    public static string FormatCastoreNar(Node root, ulong narSize)
    {
        ArgumentNullException.ThrowIfNull(root);
        return $"nar/tvix-castore/{Base64Url.EncodeToString(DirectoryCodec.EncodeNode(default, root))}?narsize={narSize}";
    }
}
