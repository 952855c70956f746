using System.Security.Cryptography;
using Tvix.Store.Nix;

namespace Tvix.Store.Nar;

/// <summary>Computes the size and SHA-256 of the NAR of a tree while the tree is imported.</summary>
internal sealed class NarHashSink : NarSink, IDisposable
{
    private readonly IncrementalHash _sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>The size and hash of the whole NAR, after the tree has ended.</summary>
    public NarDigest Finish()
    {
        FlushBuffer();
        return new NarDigest(Size, new Sha256Digest(_sha256.GetHashAndReset()));
    }

    protected override void Write(ReadOnlySpan<byte> bytes) => _sha256.AppendData(bytes);

    public void Dispose() => _sha256.Dispose();
}
