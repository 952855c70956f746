using Tvix.Castore.Model;

namespace Tvix.Castore;

/// <summary>Bytes do not have the digest under which they were stored or announced. None of them may be used.</summary>
public sealed class DigestMismatchException : CastoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="expected">The digest that was asked for.</param>
    /// <param name="actual">The digest of the bytes found; <see langword="null"/> when they could not even be read as a whole.</param>
    /// <param name="where">Where the bytes came from, for the message: a file and offset, an address.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public DigestMismatchException(B3Digest expected, B3Digest? actual, string where, Exception? innerException = null)
        : base(
            actual is { } found
                ? $"The data of {expected} is damaged: it hashes to {found} ({where})."
                : $"The data of {expected} is damaged ({where}).",
            innerException)
    {
        Expected = expected;
        Actual = actual;
    }

    /// <summary>The digest that was asked for.</summary>
    public B3Digest Expected { get; }

    /// <summary>The digest of the bytes found; <see langword="null"/> when they could not even be read as a whole.</summary>
    public B3Digest? Actual { get; }
}
