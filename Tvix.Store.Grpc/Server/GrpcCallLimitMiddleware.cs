using Microsoft.AspNetCore.Http;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Server;

/// <summary>Refuses calls when too many are under way.</summary>
internal sealed class GrpcCallLimitMiddleware(RequestDelegate next, int maxCalls)
{
    private const string HealthPath = "/grpc.health.v1.Health";

    private int _active;

    public async Task InvokeAsync(HttpContext http)
    {
        if (!GrpcHttp.IsGrpc(http.Request.ContentType) || http.Request.Path.StartsWithSegments(HealthPath, StringComparison.Ordinal))
        {
            await next(http).ConfigureAwait(false);
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _active) <= maxCalls)
            {
                await next(http).ConfigureAwait(false);
            }
            else if (GrpcHttp.Accept(http))
            {
                await GrpcHttp.EndAsync(http, GrpcStatusCode.ResourceExhausted, $"{maxCalls} calls are under way, and no more are taken.").ConfigureAwait(false);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _active);
        }
    }
}
