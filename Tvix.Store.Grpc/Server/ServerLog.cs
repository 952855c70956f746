using Microsoft.Extensions.Logging;

namespace Tvix.Store.Grpc.Server;

internal static partial class ServerLog
{
    [LoggerMessage(EventId = 100, EventName = "CallEnded", Message = "{Method} {Status} in {Milliseconds:0.0} ms for {Peer}, token {Token}")]
    public static partial void CallEnded(ILogger logger, LogLevel level, string method, string status, double milliseconds, string peer, string token);
}
