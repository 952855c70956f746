using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>How a <see cref="NarReader"/> reads.</summary>
public sealed class NarReaderOptions
{
    /// <summary>Whether other data may follow the archive.</summary>
    /// <value>
    /// <see langword="false"/>, the default: the archive is the whole input, and anything after it is an error. <see langword="true"/>: the
    /// reader does not consume a byte past the archive, so that the input can be read on; from a stream that takes more and smaller reads.
    /// </value>
    public bool Embedded { get; set; }

    /// <summary>How many directories may be inside each other before the reader gives up with <see cref="NarError.TooDeep"/>.</summary>
    /// <value>
    /// 4096 by default; at least 0, which allows no directory at all. The reader needs at most <see cref="PathComponent.MaxLength"/> bytes
    /// for each level.
    /// </value>
    public int MaxDepth { get; set; } = 4096;

    /// <summary>Whether the input stays open when the reader is disposed.</summary>
    /// <value><see langword="false"/> by default: disposing the reader disposes the stream, or completes the pipe.</value>
    public bool LeaveOpen { get; set; }
}
