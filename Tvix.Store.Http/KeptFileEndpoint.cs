using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Tvix.Store.Http;

/// <summary>Takes and serves files of one folder of the cache as they come: build logs, realisations, debug information.</summary>
internal sealed class KeptFileEndpoint(string prefix, KeptFiles? files, NixBinaryCacheOptions options)
{
    private const int MaxNameLength = 1024;

    /// <summary>How long realisations are compared, in bytes.</summary>
    private const int MaxComparedLength = 1 << 20;

    private readonly long _maxLength = options.MaxKeptFileSize;

    /// <summary>GET and HEAD.</summary>
    public async Task GetAsync(HttpContext http)
    {
        if (files is null)
        {
            await NotKeptAsync(http).ConfigureAwait(false);
            return;
        }

        if (NameOf(http) is not { } name || await files.OpenAsync(name, http.RequestAborted).ConfigureAwait(false) is not { } found)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "This cache does not have the file.").ConfigureAwait(false);
            return;
        }

        await using (found.Contents.ConfigureAwait(false))
        {
            string tag = $"\"kept-{found.File.Hash.ToNixBase32String()}\"";
            HttpResponse response = http.Response;
            response.Headers.ETag = tag;
            response.Headers.CacheControl = Reply.Revalidate;
            response.Headers.XContentTypeOptions = "nosniff";
            response.Headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
            if (Preconditions.AllowNotModified(http.Request, tag))
            {
                response.StatusCode = StatusCodes.Status304NotModified;
                return;
            }

            response.ContentType = found.File.ContentType;
            response.ContentLength = found.Contents.Length - found.Contents.Position;
            if (found.File.ContentEncoding is { } encoding)
            {
                response.Headers.ContentEncoding = encoding;
            }

            if (!HttpMethods.IsHead(http.Request.Method))
            {
                await found.Contents.CopyToAsync(response.Body, http.RequestAborted).ConfigureAwait(false);
            }
        }
    }

    /// <summary>PUT.</summary>
    public async Task PutAsync(HttpContext http)
    {
        if (files is null)
        {
            await NotKeptAsync(http).ConfigureAwait(false);
            return;
        }

        (int status, string? reason) = await TakeAsync(http, files).ConfigureAwait(false);
        if (reason is null)
        {
            http.Response.StatusCode = status;
        }
        else
        {
            await Reply.RefuseAsync(http, status, reason).ConfigureAwait(false);
        }
    }

    private async ValueTask<(int Status, string? Reason)> TakeAsync(HttpContext http, KeptFiles kept)
    {
        if (NameOf(http) is not { } name)
        {
            return (StatusCodes.Status400BadRequest, $"A name is missing, is longer than {MaxNameLength} characters, or has other characters than those of ASCII that can be seen.");
        }

        string encoding = http.Request.Headers.ContentEncoding.ToString();
        if (!IsPlain(encoding) || encoding.Contains(',', StringComparison.Ordinal))
        {
            return (StatusCodes.Status415UnsupportedMediaType, "The content encoding must be a single one.");
        }

        if (http.Request.ContentLength > _maxLength)
        {
            return (StatusCodes.Status413PayloadTooLarge, TooLong);
        }

        NarUploadEndpoint.LiftBodyLimit(http);
        try
        {
            KeptFileOutcome outcome = await kept.AddAsync(
                name, TypeOf(http), encoding is "" or "identity" ? null : encoding, http.Request.Body, MayReplaceAsync, http.RequestAborted).ConfigureAwait(false);
            return outcome switch
            {
                KeptFileOutcome.Conflict => (StatusCodes.Status409Conflict, "There is another file with this name already."),
                KeptFileOutcome.Full => (StatusCodes.Status507InsufficientStorage, "This cache keeps no more files."),
                _ => (StatusCodes.Status204NoContent, null),
            };
        }
        catch (StreamTooLongException)
        {
            return (StatusCodes.Status413PayloadTooLarge, TooLong);
        }
    }

    private string TooLong => string.Create(CultureInfo.InvariantCulture, $"Files may have {_maxLength} bytes.");

    private static Task NotKeptAsync(HttpContext http) =>
        Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "This cache has store paths only: no build logs, realisations and debug information.");

    private string? NameOf(HttpContext http)
    {
        string name = (string?)http.GetRouteValue("name") ?? "";
        return name.Length is > 0 and <= MaxNameLength && name.All(c => c is > ' ' and <= '~') ? $"{prefix}/{name}" : null;
    }

    /// <summary>What it says to be, if that is nothing which a browser would run.</summary>
    private static string TypeOf(HttpContext http)
    {
        string type = http.Request.ContentType ?? "";
        bool isKnown = type.Split(';')[0].Trim() is "text/plain" or "application/json";
        return isKnown && IsPlain(type) ? type : "application/octet-stream";
    }

    private static bool IsPlain(string text) => text.Length <= KeptFile.MaxTypeLength && text.All(c => c is >= ' ' and <= '~');

    /// <summary>Other logs and debug information never take the place of those that are there; realisations do, if they say the same and have other signatures.</summary>
    private async ValueTask<bool> MayReplaceAsync(Stream known, Stream other)
    {
        if (prefix is not ("realisations" or "build-trace-v2"))
        {
            return false;
        }

        try
        {
            return JsonNode.DeepEquals(await ReadUnsignedAsync(known).ConfigureAwait(false), await ReadUnsignedAsync(other).ConfigureAwait(false));
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            return false; // no JSON, or a name twice
        }
    }

    private static async ValueTask<JsonNode?> ReadUnsignedAsync(Stream stream)
    {
        if (stream.Length > MaxComparedLength)
        {
            throw new JsonException("It is too long to be looked at.");
        }

        JsonNode? node = await JsonNode.ParseAsync(stream).ConfigureAwait(false);
        RemoveSignatures(node);
        return node;
    }

    private static void RemoveSignatures(JsonNode? node)
    {
        if (node is JsonObject values)
        {
            values.Remove("signatures");
            foreach ((_, JsonNode? value) in values)
            {
                RemoveSignatures(value);
            }
        }
    }
}
