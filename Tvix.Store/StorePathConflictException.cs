using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store;

/// <summary>Two stores say different things of one store path: they have other contents, or other references, under the same hash.</summary>
public sealed class StorePathConflictException : TvixStoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What is different, for people.</param>
    /// <param name="offered">What the source of a copy says.</param>
    /// <param name="existing">What its target says.</param>
    public StorePathConflictException(string message, PathInfo offered, PathInfo existing)
        : base(message)
    {
        Offered = offered;
        Existing = existing;
    }

    /// <summary>The store path.</summary>
    public StorePath StorePath => Offered.StorePath;

    /// <summary>What the source of the copy says.</summary>
    public PathInfo Offered { get; }

    /// <summary>What the target has, and keeps.</summary>
    public PathInfo Existing { get; }
}
