using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Keys;

/// <summary>Signs path infos with several keys.</summary>
internal sealed class KeySigner(IReadOnlyList<SigningKey> keys, StoreDirectory storeDirectory)
{
    /// <summary>A copy with the signatures that it lacks at the end; the same object when it has all of them.</summary>
    public PathInfo Sign(PathInfo info)
    {
        byte[] fingerprint = info.GetFingerprint(storeDirectory);
        foreach (SigningKey key in keys)
        {
            // Signing gives the same bytes every time, so what is there already is equal.
            NarSignature signature = key.Sign(fingerprint);
            info = info.Signatures.Contains(signature) ? info : info.WithSignature(signature);
        }

        return info;
    }
}
