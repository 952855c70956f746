using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store;

/// <summary>A message that should be a path info breaks a rule.</summary>
public sealed class InvalidPathInfoException : TvixStoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="error">The rule that is broken.</param>
    /// <param name="message">What is wrong, for people.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public InvalidPathInfoException(PathInfoError error, string message, Exception? innerException = null)
        : base(message, innerException) => Error = error;

    /// <summary>The rule that is broken.</summary>
    public PathInfoError Error { get; }

    /// <summary>Which reference or signature is at fault, from 0; <see langword="null"/> when it is not about one.</summary>
    public int? Index { get; init; }

    /// <summary>
    /// For a wrong length, that which was found, in bytes; for <see cref="PathInfoError.InconsistentNumberOfReferences"/>, the number of
    /// names; for <see cref="PathInfoError.UnknownContentAddressType"/>, the type's number. Otherwise <see langword="null"/>.
    /// </summary>
    public int? Found { get; init; }

    /// <summary>
    /// For a wrong length, the right one, in bytes; for <see cref="PathInfoError.InconsistentNumberOfReferences"/>, the number of digests.
    /// Otherwise <see langword="null"/>.
    /// </summary>
    public int? Expected { get; init; }

    /// <summary>For an invalid name or deriver, what is wrong with it as a store path.</summary>
    public StorePathError StorePathError { get; init; }
}
