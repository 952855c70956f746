namespace Tvix.Castore;

/// <summary>What is damaged.</summary>
public enum StoreDamageKind
{
    /// <summary>A chunk, or a blob that is one chunk.</summary>
    Chunk,

    /// <summary>A blob of several chunks: its list, one of its chunks, or the whole.</summary>
    Blob,

    /// <summary>A directory.</summary>
    Directory,

    /// <summary>A named value, such as a path info.</summary>
    NamedValue,

    /// <summary>A file of the store itself.</summary>
    File,
}
