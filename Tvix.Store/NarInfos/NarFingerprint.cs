using System.Globalization;
using System.Text;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

/// <summary>The bytes that are signed for a store path.</summary>
/// <remarks>
/// <code>
/// "1;" store path ";sha256:" nixbase32(SHA-256 of the NAR) ";" decimal(size of the NAR) ";" [ reference { "," reference } ]
/// </code>
/// All paths are absolute; there is no line end. The references keep their order: signatures exist over lists that are not sorted.
/// </remarks>
public static class NarFingerprint
{
    /// <summary>Makes the fingerprint.</summary>
    /// <param name="storePath">The store path.</param>
    /// <param name="narHash">The SHA-256 of its NAR.</param>
    /// <param name="narSize">The length of its NAR in bytes.</param>
    /// <param name="references">What it refers to, itself included, in the order of the record.</param>
    /// <param name="storeDirectory">The store directory.</param>
    /// <returns>A new array.</returns>
    public static byte[] Compute(
        StorePath storePath,
        Sha256Digest narHash,
        ulong narSize,
        IReadOnlyList<StorePath> references,
        StoreDirectory storeDirectory = default)
    {
        ArgumentNullException.ThrowIfNull(storePath);
        ArgumentNullException.ThrowIfNull(references);
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"1;{storePath.ToAbsolutePath(storeDirectory)};{narHash};{narSize};");
        for (int i = 0; i < references.Count; i++)
        {
            text.Append(i == 0 ? "" : ",").Append(references[i].ToAbsolutePath(storeDirectory));
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }
}
