namespace Tvix.Store.Access;

/// <summary>What a token allows. The token itself is not part of it.</summary>
/// <param name="Access">What its holder may do.</param>
/// <param name="Name">What the file calls the token, for logs; <see langword="null"/> when it has no name there.</param>
public sealed record AccessGrant(StoreAccess Access, string? Name);
