using System.Globalization;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>The header <c>grpc-timeout</c>.</summary>
/// <remarks>
/// <code>
/// timeout = 1 to 8 digits, unit        unit = H | M | S | m (milliseconds) | u (microseconds) | n (nanoseconds)
/// </code>
/// </remarks>
internal static class GrpcTimeout
{
    private const int MaxDigits = 8;

    /// <summary>The longest time that a timer of .NET can wait.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    public static bool TryParse(string text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > MaxDigits + 1 || !uint.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out uint value))
        {
            return false;
        }

        // Nanoseconds are finer than what there is here; the time is never made shorter.
        long ticks = text[^1] switch
        {
            'H' => value * TimeSpan.TicksPerHour,
            'M' => value * TimeSpan.TicksPerMinute,
            'S' => value * TimeSpan.TicksPerSecond,
            'm' => value * TimeSpan.TicksPerMillisecond,
            'u' => value * TimeSpan.TicksPerMicrosecond,
            'n' => (value + TimeSpan.NanosecondsPerTick - 1) / TimeSpan.NanosecondsPerTick,
            _ => -1,
        };
        timeout = TimeSpan.FromTicks(Math.Min(ticks, Longest.Ticks));
        return ticks >= 0;
    }

    /// <summary>Never shorter than the time given: a deadline must not pass at the other side while it has not here.</summary>
    public static string Format(TimeSpan timeout)
    {
        const long limit = 100_000_000;
        long microseconds = Math.Max(0, (timeout.Ticks + TimeSpan.TicksPerMicrosecond - 1) / TimeSpan.TicksPerMicrosecond);
        (long value, char unit) = microseconds switch
        {
            < limit => (microseconds, 'u'),
            < limit * 1000 => ((microseconds + 999) / 1000, 'm'),
            _ => (Math.Min(limit - 1, (microseconds + 999_999) / 1_000_000), 'S'),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
    }
}
