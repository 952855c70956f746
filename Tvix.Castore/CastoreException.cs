namespace Tvix.Castore;

/// <summary>
/// The base of what this library throws when data or a backend is at fault. The leaves are sealed; catch those you can act on.
/// </summary>
public abstract class CastoreException : Exception
{
    private protected CastoreException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
