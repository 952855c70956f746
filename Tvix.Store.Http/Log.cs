using Microsoft.Extensions.Logging;

namespace Tvix.Store.Http;

internal static partial class Log
{
    [LoggerMessage(EventId = 1, EventName = "RequestEnded", Message = "{Method} {Path} {Status} in {Milliseconds:0.0} ms for {Peer}, token {Token}")]
    public static partial void RequestEnded(ILogger logger, LogLevel level, string method, string path, int status, double milliseconds, string peer, string token);

    [LoggerMessage(EventId = 2, EventName = "RequestCut", Level = LogLevel.Warning, Message = "{Method} {Path} was cut off: the client is gone.")]
    public static partial void RequestCut(ILogger logger, string method, string path);

    [LoggerMessage(EventId = 3, EventName = "StoreFailed", Level = LogLevel.Error, Message = "The store failed while {Method} {Path} was served.")]
    public static partial void StoreFailed(ILogger logger, Exception exception, string method, string path);

    [LoggerMessage(EventId = 4, EventName = "StoreUnavailable", Level = LogLevel.Warning, Message = "The store could not answer while {Method} {Path} was served: {Reason}")]
    public static partial void StoreUnavailable(ILogger logger, string method, string path, string reason);

    [LoggerMessage(EventId = 5, EventName = "Refused", Level = LogLevel.Warning, Message = "{Method} {Path}: {Reason}")]
    public static partial void Refused(ILogger logger, string method, string path, string reason);
}
