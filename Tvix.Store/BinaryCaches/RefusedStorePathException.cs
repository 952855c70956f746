using Tvix.Store.Nix;

namespace Tvix.Store.BinaryCaches;

/// <summary>
/// What a binary cache offers for a store path is not accepted: the narinfo is of another path, not signed by a key that is trusted or no narinfo at all, or the NAR is not
/// the one that the narinfo is about. Nothing of it is visible.
/// </summary>
public sealed class RefusedStorePathException : TvixStoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What was refused, where it came from, and why.</param>
    /// <param name="digest">The hash part of the store path that was asked for.</param>
    /// <param name="innerException">What is wrong with the data, if it is more than the message says.</param>
    public RefusedStorePathException(string message, StorePathDigest digest, Exception? innerException = null)
        : base(message, innerException) => Digest = digest;

    /// <summary>The hash part of the store path that was asked for.</summary>
    public StorePathDigest Digest { get; }
}
