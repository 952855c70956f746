namespace Tvix.Castore.Local;

/// <summary>How chunks are stored.</summary>
public enum LocalCompression
{
    /// <summary>With zstd where the system has its library and a chunk gets smaller by it, as they are otherwise. The default.</summary>
    Auto,

    /// <summary>With zstd where a chunk gets smaller by it. Opening the store for writing fails when the system lacks the library.</summary>
    Zstd,

    /// <summary>As they are.</summary>
    None,
}
