using System.Globalization;
using System.Text;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

/// <summary>What a binary cache says about itself: the text of <c>nix-cache-info</c>.</summary>
/// <remarks>
/// <code>
/// StoreDir: path            absent: the client's
/// WantMassQuery: 1          absent or another value: no
/// Priority: integer         absent: 0; lower is asked first
/// </code>
/// Lines without a colon and unknown keys do not count; blanks around values are trimmed; of a key given twice, the last counts.
/// </remarks>
public sealed record NixCacheInfo
{
    /// <summary>The name of the file, under the base URL of the cache.</summary>
    public const string FileName = "nix-cache-info";

    /// <summary>Where the cache's store paths live; <see langword="null"/> when it does not say.</summary>
    public string? StoreDirectory { get; init; }

    /// <summary>Whether clients may ask for many paths at once.</summary>
    public bool WantMassQuery { get; init; }

    /// <summary>Caches with lower numbers are asked first.</summary>
    public int Priority { get; init; }

    /// <summary>Whether clients with this store directory can use the cache: it is the cache's, or the cache does not say.</summary>
    public bool Serves(StoreDirectory storeDirectory) => StoreDirectory is null || StoreDirectory == storeDirectory.Path;

    /// <summary>Parses the text.</summary>
    /// <exception cref="FormatException">The priority is not a number of 32 bits.</exception>
    public static NixCacheInfo Parse(ReadOnlySpan<char> text)
    {
        NixCacheInfo info = new();
        foreach (Range range in text.Split('\n'))
        {
            ReadOnlySpan<char> line = text[range];
            int colon = line.IndexOf(':');
            if (colon < 0)
            {
                continue;
            }

            ReadOnlySpan<char> value = line[(colon + 1)..].Trim();
            info = line[..colon] switch
            {
                "StoreDir" => info with { StoreDirectory = value.ToString() },
                "WantMassQuery" => info with { WantMassQuery = value is "1" },
                "Priority" => info with
                {
                    Priority = int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int priority)
                        ? priority
                        : throw new FormatException($"The priority of the cache, '{value}', is not a number."),
                },
                _ => info,
            };
        }

        return info;
    }

    /// <summary>The text; what has the value that its absence means is left out.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        if (StoreDirectory is not null)
        {
            text.Append("StoreDir: ").Append(StoreDirectory).Append('\n');
        }

        if (WantMassQuery)
        {
            text.Append("WantMassQuery: 1\n");
        }

        if (Priority != 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"Priority: {Priority}\n");
        }

        return text.ToString();
    }
}
