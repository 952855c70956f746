using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Tvix.Store.Http;

/// <summary>A part of what is sent. Source: RFC 9110, section 14.</summary>
/// <param name="From">The first byte.</param>
/// <param name="Length">How many; at least 1.</param>
internal readonly record struct ByteRange(long From, long Length)
{
    /// <summary>The most parts that a request may be about.</summary>
    public const int MaxCount = 16;

    /// <summary>Parts with a smaller gap between them are sent as one, which is shorter than what stands between two.</summary>
    private const long SmallestGap = 160;

    private long End => From + Length;

    /// <summary>Reads a header <c>Range</c>.</summary>
    /// <param name="header">The header.</param>
    /// <param name="length">The length of the whole.</param>
    /// <returns>
    /// The parts, as much of them as there is, in the order they were asked for, or in ascending order when some of them were put together; none when there is nothing of any of them.
    /// <see langword="null"/> for the whole: when there is no header, when it makes no sense, and when it is about more than <see cref="MaxCount"/> parts, or more than two overlap, which no honest
    /// client wants, and a server need not give.
    /// </returns>
    public static IReadOnlyList<ByteRange>? Parse(StringValues header, long length)
    {
        if (header.Count != 1
            || !RangeHeaderValue.TryParse(header.ToString(), out RangeHeaderValue? range)
            || !range.Unit.Equals("bytes", StringComparison.OrdinalIgnoreCase)
            || range.Ranges.Count > MaxCount)
        {
            return null;
        }

        List<ByteRange> parts = [.. range.Ranges.Select(item => Clip(item, length)).Where(part => part.Length > 0)];
        List<ByteRange> sorted = [.. parts.OrderBy(part => part.From)];
        List<ByteRange> merged = [];
        int overlaps = 0;
        foreach (ByteRange part in sorted)
        {
            if (merged.Count == 0 || part.From - merged[^1].End >= SmallestGap)
            {
                merged.Add(part);
                continue;
            }

            overlaps += part.From < merged[^1].End ? 1 : 0;
            merged[^1] = merged[^1] with { Length = Math.Max(merged[^1].End, part.End) - merged[^1].From };
        }

        return overlaps > 1 ? null : merged.Count == parts.Count ? parts : merged;
    }

    private static ByteRange Clip(RangeItemHeaderValue part, long length)
    {
        if (part.From is not { } from)
        {
            long last = Math.Min(part.To ?? 0, length);
            return new ByteRange(length - last, last);
        }

        return new ByteRange(from, from >= length ? 0 : Math.Min(part.To ?? long.MaxValue, length - 1) - from + 1);
    }
}
