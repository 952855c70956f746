namespace Tvix.Castore;

/// <summary>Where a cache of a near and a far service puts what is written to it. What it reads from far is stored near in any case.</summary>
public enum CacheWrites
{
    /// <summary>Near only: the far service is never written to.</summary>
    Near,

    /// <summary>Far only: what is written comes near when it is read.</summary>
    Far,

    /// <summary>Far, and then near: a write that succeeded is in both. One that failed may be far already, but is not near alone.</summary>
    Both,
}
