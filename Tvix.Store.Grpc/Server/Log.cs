using Microsoft.Extensions.Logging;

namespace Tvix.Store.Grpc.Server;

internal static partial class Log
{
    [LoggerMessage(EventId = 1, EventName = "StoreFailed", Level = LogLevel.Error, Message = "The store failed while {Method} was served.")]
    public static partial void StoreFailed(ILogger logger, Exception exception, string method);

    [LoggerMessage(EventId = 2, EventName = "StoreUnavailable", Level = LogLevel.Warning, Message = "The store could not answer while {Method} was served.")]
    public static partial void StoreUnavailable(ILogger logger, Exception exception, string method);

    [LoggerMessage(EventId = 3, EventName = "HealthChanged", Level = LogLevel.Information, Message = "The {Service} service is healthy: {IsServing}.")]
    public static partial void HealthChanged(ILogger logger, Exception? exception, string service, bool isServing);
}
