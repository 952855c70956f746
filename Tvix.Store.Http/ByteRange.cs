using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Tvix.Store.Http;

/// <summary>A part of what is sent. Source: RFC 9110, section 14.</summary>
/// <param name="From">The first byte.</param>
/// <param name="Length">How many; 0 when there is nothing of it.</param>
internal readonly record struct ByteRange(long From, long Length)
{
    /// <summary>Reads a header <c>Range</c>.</summary>
    /// <param name="header">The header.</param>
    /// <param name="length">The length of the whole.</param>
    /// <returns>
    /// The part, as much of it as there is; <see langword="null"/> for the whole: when there is no header, when it makes no sense, and when it is about several parts, which no
    /// client of a binary cache wants, and a server need not give.
    /// </returns>
    public static ByteRange? Parse(StringValues header, long length)
    {
        if (header.Count != 1
            || !RangeHeaderValue.TryParse(header.ToString(), out RangeHeaderValue? range)
            || !range.Unit.Equals("bytes", StringComparison.OrdinalIgnoreCase)
            || range.Ranges.Count != 1)
        {
            return null;
        }

        RangeItemHeaderValue part = range.Ranges.Single();
        if (part.From is not { } from)
        {
            long last = Math.Min(part.To ?? 0, length);
            return new ByteRange(length - last, last);
        }

        return new ByteRange(from, from >= length ? 0 : Math.Min(part.To ?? long.MaxValue, length - 1) - from + 1);
    }
}
