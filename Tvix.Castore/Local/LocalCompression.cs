namespace Tvix.Castore.Local;

/// <summary>How chunks and directories are stored. What zstd has compressed cannot be read where the system lacks its library.</summary>
public enum LocalCompression
{
    /// <summary>With zstd where the system has its library and they get smaller by it, as they are otherwise. The default.</summary>
    Auto,

    /// <summary>With zstd where they get smaller by it. Opening the store for writing fails when the system lacks the library.</summary>
    Zstd,

    /// <summary>As they are.</summary>
    None,
}
