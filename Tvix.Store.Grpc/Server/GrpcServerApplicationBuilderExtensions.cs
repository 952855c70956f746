using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tvix.Store.Access;
using Tvix.Store.Grpc.Server;

namespace Microsoft.AspNetCore.Builder;

/// <summary>What stands before served calls of gRPC: who may call, how many at a time, and what is told about it.</summary>
/// <remarks>Requests that are none of gRPC pass through all of them untouched.</remarks>
public static class GrpcServerApplicationBuilderExtensions
{
    /// <summary>
    /// Counts and times calls, logs a line for each, and names the activity of the request. Comes before the others, so that it sees what they refuse.
    /// </summary>
    /// <remarks>
    /// <list type="table">
    /// <item><term><c>tvix.store.grpc.server.calls</c></term><description>counter of calls that ended; tags <c>method</c>, <c>status</c></description></item>
    /// <item><term><c>tvix.store.grpc.server.active_calls</c></term><description>calls that are under way; tag <c>method</c></description></item>
    /// <item><term><c>rpc.server.duration</c></term><description>histogram in milliseconds; tags <c>rpc.system</c>, <c>rpc.service</c>, <c>rpc.method</c>,
    /// <c>rpc.grpc.status_code</c></description></item>
    /// </list>
    /// Calls to methods that do not exist have the method <c>unknown</c>. The log never has headers, and so no credentials.
    /// </remarks>
    /// <param name="app">The application.</param>
    public static IApplicationBuilder UseGrpcTelemetry(this IApplicationBuilder app)
    {
        ArgumentNullException.ThrowIfNull(app);
        ILogger logger = app.ApplicationServices.GetService<ILoggerFactory>()?.CreateLogger("Tvix.Store.Grpc.Calls") ?? NullLogger.Instance;
        return app.Use(next =>
        {
            GrpcTelemetryMiddleware middleware = new(next, logger);
            return middleware.InvokeAsync;
        });
    }

    /// <summary>
    /// Lets calls through that a policy grants. Others end before anything of the body is read: with UNAUTHENTICATED when the caller is not known, and with
    /// PERMISSION_DENIED when it is and may not.
    /// </summary>
    /// <remarks>
    /// Methods without side effects (<c>idempotency_level = NO_SIDE_EFFECTS</c>), and those that nobody serves, need <see cref="StoreAccess.Read"/>; all others,
    /// <see cref="StoreAccess.Write"/>. A <see cref="AccessGrant"/> that was found is a feature of the request then.
    /// </remarks>
    /// <param name="app">The application.</param>
    /// <param name="policy">Who may do what.</param>
    public static IApplicationBuilder UseGrpcAccess(this IApplicationBuilder app, AccessPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(app);
        ArgumentNullException.ThrowIfNull(policy);
        return app.Use(next =>
        {
            GrpcAccessMiddleware middleware = new(next, policy);
            return middleware.InvokeAsync;
        });
    }

    /// <summary>Ends calls that come while as many are under way as may be, with RESOURCE_EXHAUSTED. Questions about health do not count.</summary>
    /// <param name="app">The application.</param>
    /// <param name="maxCalls">How many calls may be under way, on all connections together.</param>
    public static IApplicationBuilder UseGrpcCallLimit(this IApplicationBuilder app, int maxCalls)
    {
        ArgumentNullException.ThrowIfNull(app);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxCalls);
        return app.Use(next =>
        {
            GrpcCallLimitMiddleware middleware = new(next, maxCalls);
            return middleware.InvokeAsync;
        });
    }
}
