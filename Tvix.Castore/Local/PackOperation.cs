namespace Tvix.Castore.Local;

/// <summary>What can fail while a store writes; tests make it.</summary>
internal enum PackOperation
{
    /// <summary>Handing bytes of a pack to the operating system.</summary>
    Write,

    /// <summary>Flushing a pack to disk.</summary>
    Flush,

    /// <summary>Entering records in the index.</summary>
    Commit,

    /// <summary>Beginning a pack.</summary>
    BeginPack,
}
