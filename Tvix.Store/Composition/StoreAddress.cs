using System.Diagnostics.CodeAnalysis;

namespace Tvix.Store.Composition;

/// <summary>Where a store is, as text: a scheme, what the scheme makes of the rest, and parameters.</summary>
/// <remarks>
/// <code>
/// address   = scheme ":" rest [ "?" parameter { "&amp;" parameter } ]
/// parameter = name "=" value                                          percent-encoded
/// </code>
/// The rest of a <c>local:</c> address is a path on disk, taken as it is up to the first question mark, with <c>%3F</c> for one in the path and <c>%25</c> for a percent sign
/// before two hexadecimal digits; <c>local:///path</c> is the same as <c>local:/path</c>.
/// </remarks>
public sealed class StoreAddress
{
    private readonly string _text;

    private StoreAddress(string text, string scheme, string rest, IReadOnlyDictionary<string, string> parameters)
    {
        _text = text;
        Scheme = scheme;
        Rest = rest;
        Parameters = parameters;
    }

    /// <summary>What stands before the first colon, in lower case.</summary>
    public string Scheme { get; }

    /// <summary>What stands between the scheme and the parameters, decoded.</summary>
    public string Rest { get; }

    /// <summary>The parameters by name, decoded.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; }

    /// <summary>Parses an address.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is no address; the message says why.</exception>
    public static StoreAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out StoreAddress? address, out string? fault) ? address : throw new FormatException($"'{text}' is no address of a store: {fault}.");
    }

    private static bool TryParse(string text, [NotNullWhen(true)] out StoreAddress? address, [NotNullWhen(false)] out string? fault)
    {
        address = null;
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || text.AsSpan(0, colon).ContainsAnyExcept("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."))
        {
            fault = "it does not begin with a scheme such as 'local:' or 'memory:'";
            return false;
        }

        string rest = text[(colon + 1)..];
        Dictionary<string, string> parameters = new(StringComparer.Ordinal);
        int query = rest.IndexOf('?', StringComparison.Ordinal);
        if (query >= 0)
        {
            foreach (string parameter in rest[(query + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
            {
                int equals = parameter.IndexOf('=', StringComparison.Ordinal);
                if (equals <= 0)
                {
                    fault = $"the parameter '{parameter}' has no value";
                    return false;
                }

                if (!parameters.TryAdd(Uri.UnescapeDataString(parameter[..equals]), Uri.UnescapeDataString(parameter[(equals + 1)..])))
                {
                    fault = $"the parameter '{parameter[..equals]}' is given twice";
                    return false;
                }
            }

            rest = rest[..query];
        }

        rest = Uri.UnescapeDataString(rest);
        address = new StoreAddress(text, text[..colon].ToLowerInvariant(), rest.StartsWith("///", StringComparison.Ordinal) ? rest[2..] : rest, parameters);
        fault = null;
        return true;
    }

    /// <summary>The address as it was given.</summary>
    public override string ToString() => _text;
}
