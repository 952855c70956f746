namespace Tvix.Store.NarInfos;

/// <summary>The public keys that someone trusts. What at least one of them has signed is accepted.</summary>
/// <remarks>
/// An empty list trusts nothing. Whoever wants no check has no list at all, rather than an empty one. Safe for concurrent use.
/// </remarks>
public sealed class TrustedKeys
{
    private readonly PublicKey[] _keys;

    /// <summary>Makes a list of trusted keys.</summary>
    public TrustedKeys(IEnumerable<PublicKey> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        _keys = [.. keys];
    }

    /// <summary>The keys.</summary>
    public IReadOnlyList<PublicKey> Keys => _keys;

    /// <summary>Parses keys with white space in between, as in <c>trusted-public-keys</c>.</summary>
    /// <exception cref="FormatException">One of them is no public key; the message says which.</exception>
    public static TrustedKeys Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<PublicKey> keys = [];
        foreach (string part in text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            try
            {
                keys.Add(PublicKey.Parse(part));
            }
            catch (FormatException e)
            {
                throw new FormatException($"'{part}' is no trusted key. {e.Message}", e);
            }
        }

        return new TrustedKeys(keys);
    }

    /// <summary>Whether at least one of the signatures is by one of the keys and verifies.</summary>
    /// <param name="fingerprint">What was signed.</param>
    /// <param name="signatures">The signatures.</param>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto on this machine.</exception>
    public bool Accepts(ReadOnlySpan<byte> fingerprint, IEnumerable<NarSignature> signatures)
    {
        ArgumentNullException.ThrowIfNull(signatures);
        foreach (NarSignature signature in signatures)
        {
            foreach (PublicKey key in _keys)
            {
                if (key.Verify(fingerprint, signature))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
