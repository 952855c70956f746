using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Tvix.Store.Http;

/// <summary>What a client says it has already. Source: RFC 9110, section 13.</summary>
internal static class Preconditions
{
    /// <summary>Whether <c>If-None-Match</c> has the tag.</summary>
    public static bool AllowNotModified(HttpRequest request, string tag)
    {
        StringValues header = request.Headers.IfNoneMatch;
        return header.Count > 0
            && EntityTagHeaderValue.TryParseList(header!, out IList<EntityTagHeaderValue>? tags)
            && tags.Any(other => other == EntityTagHeaderValue.Any || other.Tag == tag);
    }

    /// <summary>Whether the client has the rest of the same thing, as <c>If-Range</c> says, or does not say.</summary>
    public static bool AllowRange(HttpRequest request, string tag)
    {
        // A date is that of another server: this one sends none.
        StringValues header = request.Headers.IfRange;
        return header.Count == 0 || (RangeConditionHeaderValue.TryParse(header.ToString(), out RangeConditionHeaderValue? condition)
            && condition.EntityTag is { IsWeak: false } other && other.Tag == tag);
    }
}
