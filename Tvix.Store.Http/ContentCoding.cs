using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Tvix.Store.Http;

/// <summary>How an answer may travel. Source: RFC 9110, section 12.5.3, and RFC 8878, section 7.2.</summary>
internal static class ContentCoding
{
    public const string Zstd = "zstd";

    private const string Identity = "identity";

    /// <summary>
    /// Whether a client names zstd, and nothing speaks for sending things as they are: neither that it likes this better, nor that it wants a part, which there is only of the whole.
    /// </summary>
    public static bool PrefersZstd(HttpRequest request)
    {
        StringValues header = request.Headers.AcceptEncoding;
        if (header.Count == 0 || request.Headers.Range.Count > 0 || !StringWithQualityHeaderValue.TryParseList(header!, out IList<StringWithQualityHeaderValue>? codings))
        {
            return false;
        }

        double zstd = QualityOf(codings, Zstd) ?? 0;
        return zstd > 0 && zstd >= (QualityOf(codings, Identity) ?? 0);
    }

    private static double? QualityOf(IList<StringWithQualityHeaderValue> codings, string name) =>
        codings.FirstOrDefault(coding => coding.Value.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } found ? found.Quality ?? 1 : null;
}
