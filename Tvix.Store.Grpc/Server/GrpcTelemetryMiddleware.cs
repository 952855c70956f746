using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Tvix.Store.Access;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Server;

/// <summary>Counts, times and logs calls.</summary>
internal sealed class GrpcTelemetryMiddleware(RequestDelegate next, ILogger logger)
{
    private const string Unknown = "unknown";

    public async Task InvokeAsync(HttpContext http)
    {
        GrpcMethodMetadata? metadata = http.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>();
        if (metadata is null && !GrpcHttp.IsGrpc(http.Request.ContentType))
        {
            await next(http).ConfigureAwait(false);
            return;
        }

        // What a client sends is no tag: there would be as many as it likes.
        string service = metadata?.Descriptor.Service.FullName ?? Unknown;
        string method = metadata?.Descriptor.Name ?? Unknown;
        string name = metadata is null ? Unknown : $"{service}/{method}";
        KeyValuePair<string, object?> methodTag = new("method", name);
        long start = Stopwatch.GetTimestamp();
        GrpcTelemetry.ActiveCalls.Add(1, methodTag);
        try
        {
            await next(http).ConfigureAwait(false);
        }
        finally
        {
            TimeSpan duration = Stopwatch.GetElapsedTime(start);
            GrpcTelemetry.ActiveCalls.Add(-1, methodTag);
            GrpcStatusCode? status = StatusOf(http);
            string statusName = status is { } code ? NameOf(code) : $"HTTP {http.Response.StatusCode}";
            GrpcTelemetry.Calls.Add(1, methodTag, new("status", statusName));
            GrpcTelemetry.Duration.Record(duration.TotalMilliseconds, new TagList
            {
                { "rpc.system", "grpc" },
                { "rpc.service", service },
                { "rpc.method", method },
                { "rpc.grpc.status_code", (int)(status ?? GrpcStatusCode.Unknown) },
            });
            Describe(Activity.Current, name, service, method, status ?? GrpcStatusCode.Unknown);
            ServerLog.CallEnded(
                logger, IsFailure(status) ? LogLevel.Warning : LogLevel.Information, name, statusName, duration.TotalMilliseconds, PeerOf(http), TokenOf(http));
        }
    }

    private static void Describe(Activity? activity, string name, string service, string method, GrpcStatusCode status)
    {
        if (activity is not { IsAllDataRequested: true })
        {
            return;
        }

        activity.DisplayName = name;
        activity.SetTag("rpc.system", "grpc");
        activity.SetTag("rpc.service", service);
        activity.SetTag("rpc.method", method);
        activity.SetTag("rpc.grpc.status_code", (int)status);
        if (IsFailure(status))
        {
            activity.SetStatus(ActivityStatusCode.Error);
        }
    }

    /// <summary>Whether somebody should look at it. What a caller got wrong, or did not find, is no failure of the server's.</summary>
    private static bool IsFailure(GrpcStatusCode? status) => status is not (
        GrpcStatusCode.Ok or GrpcStatusCode.Cancelled or GrpcStatusCode.InvalidArgument or GrpcStatusCode.NotFound or GrpcStatusCode.AlreadyExists
        or GrpcStatusCode.FailedPrecondition or GrpcStatusCode.OutOfRange or GrpcStatusCode.Unimplemented);

    /// <summary>What the client was told; <see langword="null"/> when the answer was none of gRPC.</summary>
    private static GrpcStatusCode? StatusOf(HttpContext http)
    {
        string? text = http.Response.Headers["grpc-status"];
        text ??= http.Features.Get<IHttpResponseTrailersFeature>()?.Trailers["grpc-status"];
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int status))
        {
            return (GrpcStatusCode)status;
        }

        return http.RequestAborted.IsCancellationRequested ? GrpcStatusCode.Cancelled : null;
    }

    /// <summary>As the protocol's own documents write it.</summary>
    private static string NameOf(GrpcStatusCode status) => status switch
    {
        GrpcStatusCode.Ok => "OK",
        GrpcStatusCode.Cancelled => "CANCELLED",
        GrpcStatusCode.Unknown => "UNKNOWN",
        GrpcStatusCode.InvalidArgument => "INVALID_ARGUMENT",
        GrpcStatusCode.DeadlineExceeded => "DEADLINE_EXCEEDED",
        GrpcStatusCode.NotFound => "NOT_FOUND",
        GrpcStatusCode.AlreadyExists => "ALREADY_EXISTS",
        GrpcStatusCode.PermissionDenied => "PERMISSION_DENIED",
        GrpcStatusCode.ResourceExhausted => "RESOURCE_EXHAUSTED",
        GrpcStatusCode.FailedPrecondition => "FAILED_PRECONDITION",
        GrpcStatusCode.Aborted => "ABORTED",
        GrpcStatusCode.OutOfRange => "OUT_OF_RANGE",
        GrpcStatusCode.Unimplemented => "UNIMPLEMENTED",
        GrpcStatusCode.Internal => "INTERNAL",
        GrpcStatusCode.Unavailable => "UNAVAILABLE",
        GrpcStatusCode.DataLoss => "DATA_LOSS",
        GrpcStatusCode.Unauthenticated => "UNAUTHENTICATED",
        _ => ((int)status).ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>The name of the token, never the token.</summary>
    private static string TokenOf(HttpContext http) => http.Features.Get<AccessGrant>() is { } grant ? grant.Name ?? "unnamed" : "none";

    private static string PeerOf(HttpContext http) =>
        http.Connection.RemoteIpAddress is { } address ? new IPEndPoint(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, http.Connection.RemotePort).ToString() : "unix";
}
