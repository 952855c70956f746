using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Tvix.Store.Http;

/// <summary>Ends requests.</summary>
internal static class Reply
{
    /// <summary>For what has its digest in its name.</summary>
    public const string Immutable = "max-age=31536000, immutable";

    /// <summary>For what may change: to be asked for again, with the tag.</summary>
    public const string Revalidate = "no-cache";

    /// <summary>Answers with a status and a line that says why. Does nothing but cut the connection when an answer was begun.</summary>
    public static async Task RefuseAsync(HttpContext http, int status, string reason)
    {
        if (http.Response.HasStarted)
        {
            http.Abort(); // so that what was sent is not taken for all of it
            return;
        }

        http.Response.Headers.Remove(HeaderNames.ETag);
        http.Response.Headers.Remove(HeaderNames.AcceptRanges);
        http.Response.Headers.Remove(HeaderNames.LastModified);
        http.Response.Headers.Remove(HeaderNames.ContentDisposition);
        http.Response.StatusCode = status;
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        await SendAsync(http, Encoding.UTF8.GetBytes(OneLine(reason) + "\n"), "text/plain; charset=utf-8").ConfigureAwait(false);
    }

    /// <summary>Sends bytes that have a tag; or, if that is what the client has, only that they are the same.</summary>
    public static async Task SendTaggedAsync(HttpContext http, ReadOnlyMemory<byte> bytes, string contentType, string tag, string cacheControl)
    {
        http.Response.Headers.ETag = tag;
        http.Response.Headers.CacheControl = cacheControl;
        if (Preconditions.AllowNotModified(http.Request, tag))
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        await SendAsync(http, bytes, contentType).ConfigureAwait(false);
    }

    /// <summary>Sends bytes, or for HEAD their number.</summary>
    public static async Task SendAsync(HttpContext http, ReadOnlyMemory<byte> bytes, string contentType)
    {
        http.Response.ContentType = contentType;
        http.Response.ContentLength = bytes.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
        {
            await http.Response.Body.WriteAsync(bytes, http.RequestAborted).ConfigureAwait(false);
        }
    }

    private static string OneLine(string text) => string.Create(text.Length, text, (line, text) =>
    {
        for (int i = 0; i < line.Length; i++)
        {
            line[i] = char.IsControl(text[i]) || CharUnicodeInfo.GetUnicodeCategory(text[i]) is UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
                ? ' '
                : text[i];
        }
    });
}
