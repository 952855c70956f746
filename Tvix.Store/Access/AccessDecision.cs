namespace Tvix.Store.Access;

/// <summary>The answer to somebody who wants something of a store.</summary>
public enum AccessDecision
{
    /// <summary>They may.</summary>
    Granted,

    /// <summary>They did not say who they are, or with a token that is not known: UNAUTHENTICATED, or 401 in HTTP.</summary>
    Unauthenticated,

    /// <summary>They are known and may not: PERMISSION_DENIED, or 403 in HTTP.</summary>
    Denied,
}
