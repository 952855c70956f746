using System.Text;

namespace Tvix.Store.Access;

/// <summary>Says who may do what with a store that is served.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public sealed class AccessPolicy
{
    /// <summary>Gives the tokens, anew for each request; <see langword="null"/> when everybody may do everything.</summary>
    public Func<AccessTokens>? Tokens { get; init; }

    /// <summary>Whether reading needs no token. A token that is not known is refused all the same, so that a wrong one is noticed.</summary>
    public bool PublicRead { get; init; }

    /// <summary>Decides about a request.</summary>
    /// <param name="authorization">
    /// The header <c>Authorization</c>: <c>Bearer TOKEN</c>, or <c>Basic</c> with the token as the password and any user; <see langword="null"/> or empty when
    /// there is none.
    /// </param>
    /// <param name="needed">What the request is about.</param>
    /// <param name="grant">What the token allows; <see langword="null"/> when there is none, or it is not known.</param>
    public AccessDecision Decide(string? authorization, StoreAccess needed, out AccessGrant? grant)
    {
        grant = null;
        StoreAccess allowed = Tokens is null ? StoreAccess.Write : PublicRead ? StoreAccess.Read : StoreAccess.None;
        if (Tokens is not null && !string.IsNullOrEmpty(authorization))
        {
            grant = TokenOf(authorization) is { } token ? Tokens().Find(token) : null;
            if (grant is null)
            {
                return AccessDecision.Unauthenticated;
            }

            allowed = (StoreAccess)Math.Max((int)allowed, (int)grant.Access);
        }

        return needed <= allowed ? AccessDecision.Granted : grant is null ? AccessDecision.Unauthenticated : AccessDecision.Denied;
    }

    /// <summary>The token of a header; <see langword="null"/> when it has none. Sources: RFC 6750, section 2.1, and RFC 7617, section 2.</summary>
    private static string? TokenOf(string authorization)
    {
        int blank = authorization.IndexOf(' ', StringComparison.Ordinal);
        if (blank < 0)
        {
            return null;
        }

        ReadOnlySpan<char> scheme = authorization.AsSpan(0, blank);
        ReadOnlySpan<char> rest = authorization.AsSpan(blank).Trim(' ');
        if (scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase))
        {
            return rest.ToString();
        }

        byte[] bytes = new byte[rest.Length];
        if (!scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase) || !Convert.TryFromBase64Chars(rest, bytes, out int length))
        {
            return null;
        }

        string credentials = Encoding.UTF8.GetString(bytes.AsSpan(0, length));
        int colon = credentials.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : credentials[(colon + 1)..];
    }
}
