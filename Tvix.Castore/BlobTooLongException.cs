using Tvix.Castore.Model;

namespace Tvix.Castore;

/// <summary>A blob has more bytes than the one who asked for it is ready to hold in memory. Nothing is wrong with the blob itself: read it as a stream, or with a higher limit.</summary>
/// <remarks>Who took the limit from elsewhere, as from a directory that says how long a file is, knows from this that what was said there is wrong.</remarks>
public sealed class BlobTooLongException : CastoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="limit">The most bytes that would have been taken.</param>
    /// <param name="size">The length of the blob in bytes; <see langword="null"/> when it is not known.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public BlobTooLongException(B3Digest digest, long limit, long? size = null, Exception? innerException = null)
        : this(
            $"Blob {digest} {(size is null ? "is longer" : $"has {size} bytes, more")} than the {limit} bytes that the caller is ready to hold.",
            digest,
            limit,
            size,
            innerException)
    {
    }

    internal BlobTooLongException(string message, B3Digest digest, long limit, long? size, Exception? innerException)
        : base(message, innerException)
    {
        Digest = digest;
        Limit = limit;
        Size = size;
    }

    /// <summary>The blob.</summary>
    public B3Digest Digest { get; }

    /// <summary>The most bytes that would have been taken.</summary>
    public long Limit { get; }

    /// <summary>The length of the blob in bytes; <see langword="null"/> when it is not known.</summary>
    public long? Size { get; }
}
