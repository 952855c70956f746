using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>What calls of gRPC are as requests and responses of HTTP.</summary>
internal static class GrpcHttp
{
    public const string ContentType = "application/grpc";

    /// <summary>Whether a media type is that of gRPC, with messages in protobuf.</summary>
    public static bool IsGrpc(string? contentType) =>
        contentType is not null
        && contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == ContentType.Length || contentType[ContentType.Length] == ';' || contentType.AsSpan(ContentType.Length).StartsWith("+proto", StringComparison.OrdinalIgnoreCase));

    /// <summary>Checks what makes a request one of gRPC, and otherwise answers it.</summary>
    public static bool Accept(HttpContext http)
    {
        if (!IsGrpc(http.Request.ContentType))
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            http.Response.Headers.Accept = ContentType;
            return false;
        }

        if (!HttpProtocol.IsHttp2(http.Request.Protocol) && !HttpProtocol.IsHttp3(http.Request.Protocol))
        {
            http.Response.StatusCode = StatusCodes.Status505HttpVersionNotsupported;
            return false;
        }

        http.Response.ContentType = ContentType;
        return true;
    }

    /// <summary>Ends a response with a status: in the headers if nothing was sent yet, else in the trailers.</summary>
    public static async ValueTask EndAsync(HttpContext http, GrpcStatusCode status, string message, GrpcMetadata? trailers = null)
    {
        if (http.RequestAborted.IsCancellationRequested)
        {
            return; // there is nobody to tell
        }

        HttpResponse response = http.Response;
        bool headersOnly = !response.HasStarted && status != GrpcStatusCode.Ok;
        IHeaderDictionary target = response.Headers;
        if (!headersOnly)
        {
            // The headers go out before the trailers are known to be all there is.
            await response.StartAsync().ConfigureAwait(false);
            target = http.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers;
        }

        foreach ((string key, string value) in trailers ?? [])
        {
            target[key] = StringValues.Concat(target[key], value);
        }

        target["grpc-status"] = ((int)status).ToString(CultureInfo.InvariantCulture);
        if (message.Length > 0)
        {
            target["grpc-message"] = GrpcMessage.Encode(message);
        }

        await response.CompleteAsync().ConfigureAwait(false);
    }
}
