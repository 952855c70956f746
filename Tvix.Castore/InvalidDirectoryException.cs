using Tvix.Castore.Model;

namespace Tvix.Castore;

/// <summary>A directory, or a set of directories that should be one tree, breaks a rule of the format.</summary>
public sealed class InvalidDirectoryException : CastoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="error">The rule that is broken.</param>
    /// <param name="message">What is wrong, for people.</param>
    /// <param name="name">The bytes of the name at fault, if it is about one.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public InvalidDirectoryException(
        DirectoryError error, string message, ReadOnlyMemory<byte> name = default, Exception? innerException = null)
        : base(message, innerException)
    {
        Error = error;
        Name = name;
    }

    /// <summary>The rule that is broken.</summary>
    public DirectoryError Error { get; }

    /// <summary>The bytes of the name at fault; empty when it is not about a name.</summary>
    public ReadOnlyMemory<byte> Name { get; }

    /// <summary>For <see cref="DirectoryError.InvalidName"/>, what is wrong with the name.</summary>
    public PathComponentError NameError { get; init; }

    /// <summary>For <see cref="DirectoryError.InvalidNode"/> of a symlink, what is wrong with the target.</summary>
    public SymlinkTargetError TargetError { get; init; }

    /// <summary>For <see cref="DirectoryError.InvalidNode"/> of a file or directory, the length of the digest found, in bytes.</summary>
    public int? DigestLength { get; init; }
}
