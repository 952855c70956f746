namespace Tvix.Store;

/// <summary>
/// The base of what this library throws when data in one of Nix's formats is at fault. The leaves are sealed; catch those you can act on.
/// </summary>
public abstract class TvixStoreException : Exception
{
    private protected TvixStoreException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
