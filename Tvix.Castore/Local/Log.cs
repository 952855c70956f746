using Microsoft.Extensions.Logging;

namespace Tvix.Castore.Local;

internal static partial class Log
{
    [LoggerMessage(EventId = 1, EventName = "RecoveredRecords", Level = LogLevel.Information,
        Message = "Recovered {Count} records from the end of '{Pack}', which an earlier writer left behind.")]
    public static partial void RecoveredRecords(ILogger logger, int count, string pack);

    [LoggerMessage(EventId = 2, EventName = "IndexingPack", Level = LogLevel.Warning,
        Message = "The index does not know '{Pack}', or not all of it; reading the pack to complete the index.")]
    public static partial void IndexingPack(ILogger logger, string pack);

    [LoggerMessage(EventId = 3, EventName = "SkippedDamage", Level = LogLevel.Error,
        Message = "'{Pack}' is damaged: the {Count} bytes at {Offset} are no intact records, and were left out of the index.")]
    public static partial void SkippedDamage(ILogger logger, string pack, long offset, long count);
}
