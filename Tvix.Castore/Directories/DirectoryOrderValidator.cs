using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>Holds a sequence of directories to an order, one by one, without keeping them. Spec: castore §4.3.</summary>
/// <remarks>A directory that comes again is accepted again. Not safe for concurrent use.</remarks>
public abstract class DirectoryOrderValidator
{
    private protected DirectoryOrderValidator()
    {
    }

    /// <summary>Takes the next directory; <see langword="false"/>, and nothing changes, when it is out of order.</summary>
    public bool TryAccept(CastoreDirectory directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        return TryAcceptCore(directory);
    }

    /// <summary>Takes the next directory.</summary>
    /// <exception cref="InvalidDirectoryException">It is out of order (<see cref="DirectoryError.WrongOrder"/>); nothing
    /// changes.</exception>
    public void Accept(CastoreDirectory directory)
    {
        if (!TryAccept(directory))
        {
            throw new InvalidDirectoryException(DirectoryError.WrongOrder, Describe(directory));
        }
    }

    private protected abstract bool TryAcceptCore(CastoreDirectory directory);

    private protected abstract string Describe(CastoreDirectory directory);
}
