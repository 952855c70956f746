using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>What should be imported cannot be. Blobs stored so far stay; no directory was stored.</summary>
public sealed class ImportException : CastoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="error">What kind of trouble it is.</param>
    /// <param name="path">The bytes of the path at fault, as the source writes it; empty when it is about the whole.</param>
    /// <param name="reason">What is wrong, for people, as the end of a sentence that starts with the path.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public ImportException(ImportError error, ReadOnlyMemory<byte> path, string reason, Exception? innerException = null)
        : base(
            path.IsEmpty ? $"The import failed: {reason}." : $"The import of '{ByteText.Show(path.Span)}' failed: {reason}.",
            innerException)
    {
        Error = error;
        Path = path;
    }

    /// <summary>What kind of trouble it is.</summary>
    public ImportError Error { get; }

    /// <summary>The bytes of the path at fault, as the source writes it; empty when it is about the whole.</summary>
    public ReadOnlyMemory<byte> Path { get; }
}
