namespace Tvix.Store.Http;

/// <summary>What became of a file that was to be kept.</summary>
internal enum KeptFileOutcome
{
    /// <summary>It is kept, or was already.</summary>
    Kept,

    /// <summary>There is something else with the name.</summary>
    Conflict,

    /// <summary>There is no room for it.</summary>
    Full,
}
