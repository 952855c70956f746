namespace Tvix.Castore;

/// <summary>A backend could not do what it was asked to. Says nothing about whether the data exists.</summary>
public sealed class StorageException : CastoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What failed and where, for the person who must act.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    /// <param name="isTransient">Whether the same call may succeed later.</param>
    public StorageException(string message, Exception? innerException = null, bool isTransient = false)
        : base(message, innerException) => IsTransient = isTransient;

    /// <summary>Whether the same call may succeed later (a time-out, a lost connection), rather than fail again.</summary>
    public bool IsTransient { get; }
}
