using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>A tree could not be written to disk. What was written of it has been removed again, as far as possible.</summary>
public sealed class ExportException : CastoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="path">The bytes of the path at fault, relative to the root of the tree.</param>
    /// <param name="reason">What is wrong with it.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public ExportException(ReadOnlyMemory<byte> path, string reason, Exception? innerException = null)
        : base(path.IsEmpty ? $"The export failed: {reason}." : $"The export of '{ByteText.Show(path.Span)}' failed: {reason}.", innerException) => Path = path;

    /// <summary>The bytes of the path at fault, relative to the root of the tree; empty for the root.</summary>
    public ReadOnlyMemory<byte> Path { get; }
}
