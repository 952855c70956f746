using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Tvix.Store.Http;

/// <summary>What a client says it has already. Source: RFC 9110, section 13.</summary>
internal static class Preconditions
{
    /// <summary>Whether <c>If-None-Match</c> has the tag; or, where there is no such header, whether <c>If-Modified-Since</c> has the time of the last change, or a later one.</summary>
    public static bool AllowNotModified(HttpRequest request, string tag, DateTimeOffset? lastModified = null)
    {
        StringValues header = request.Headers.IfNoneMatch;
        if (header.Count > 0)
        {
            return EntityTagHeaderValue.TryParseList(header!, out IList<EntityTagHeaderValue>? tags)
                && tags.Any(other => other == EntityTagHeaderValue.Any || other.Tag == tag);
        }

        return lastModified is { } changed
            && request.Headers.IfModifiedSince is [{ } since]
            && HeaderUtilities.TryParseDate(since, out DateTimeOffset time)
            && time >= changed;
    }

    /// <summary>Whether the client has the rest of the same thing, as <c>If-Range</c> says, or does not say. A date must be the time of the last change exactly.</summary>
    public static bool AllowRange(HttpRequest request, string tag, DateTimeOffset? lastModified = null)
    {
        StringValues header = request.Headers.IfRange;
        if (header.Count == 0)
        {
            return true;
        }

        return RangeConditionHeaderValue.TryParse(header.ToString(), out RangeConditionHeaderValue? condition)
            && (condition.EntityTag is { } other
                ? !other.IsWeak && other.Tag == tag
                : lastModified is not null && condition.LastModified == lastModified);
    }
}
