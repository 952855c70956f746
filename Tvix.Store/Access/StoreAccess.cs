namespace Tvix.Store.Access;

/// <summary>What somebody may do with a store. Each allows what those before it allow.</summary>
public enum StoreAccess
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Read.</summary>
    Read,

    /// <summary>Read and write.</summary>
    Write,
}
