using Microsoft.Extensions.Logging;

namespace Tvix.Store.Cli.Daemon;

internal static partial class DaemonLog
{
    [LoggerMessage(EventId = 1, EventName = "Listening", Level = LogLevel.Information, Message = "listening on {Address}")]
    public static partial void Listening(ILogger logger, string address);

    [LoggerMessage(EventId = 2, EventName = "Draining", Level = LogLevel.Information, Message = "Ending: no new calls are taken; {Calls} calls may go on for {Seconds:0.###} s.")]
    public static partial void Draining(ILogger logger, int calls, double seconds);

    [LoggerMessage(EventId = 3, EventName = "Cut", Level = LogLevel.Warning, Message = "{Calls} calls took too long and were cut.")]
    public static partial void Cut(ILogger logger, int calls);

    [LoggerMessage(EventId = 4, EventName = "Ended", Level = LogLevel.Information, Message = "ended")]
    public static partial void Ended(ILogger logger);

    [LoggerMessage(EventId = 5, EventName = "Reloaded", Level = LogLevel.Information, Message = "The tokens and the certificate were read again.")]
    public static partial void Reloaded(ILogger logger);

    [LoggerMessage(EventId = 6, EventName = "ReloadFailed", Level = LogLevel.Error, Message = "Reading again failed, and what was in use stays in use: {Reason}")]
    public static partial void ReloadFailed(ILogger logger, string reason);

    [LoggerMessage(EventId = 7, EventName = "OpenToAll", Level = LogLevel.Warning, Message = "Whoever can reach {Address} can write to the store. See --tokens and --read-only.")]
    public static partial void OpenToAll(ILogger logger, string address);

    [LoggerMessage(EventId = 8, EventName = "TokensInClear", Level = LogLevel.Warning, Message = "Tokens travel to {Address} unencrypted. See --tls-certificate.")]
    public static partial void TokensInClear(ILogger logger, string address);

    [LoggerMessage(EventId = 9, EventName = "TokensExposed", Level = LogLevel.Warning, Message = "Everybody on this machine can read the tokens in '{Path}'.")]
    public static partial void TokensExposed(ILogger logger, string path);
}
