using Microsoft.Extensions.Logging;

namespace Tvix.Store.Grpc.Protocol;

internal static partial class Log
{
    [LoggerMessage(EventId = 1, EventName = "HandlerFailed", Level = LogLevel.Error, Message = "Serving {Path} failed.")]
    public static partial void HandlerFailed(ILogger logger, Exception exception, string path);

    [LoggerMessage(EventId = 2, EventName = "CallFailed", Level = LogLevel.Debug, Message = "{Path} ended with {Status}: {Reason}")]
    public static partial void CallFailed(ILogger logger, Exception? exception, string path, GrpcStatusCode status, string reason);
}
