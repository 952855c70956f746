using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.Http.Pages;

/// <summary>Where something is below a store path, and how that is in URLs: each name percent-encoded, byte for byte, so that it is the same bytes again.</summary>
/// <remarks>What routing gives is not enough for that: it has decoded what is UTF-8, and left the rest as it was, so that one cannot tell one from the other.</remarks>
internal sealed class PagePath
{
    /// <summary>What a server reads as the first line of a request is about this long.</summary>
    private const int MaxLength = 7500;

    private PagePath(byte[] storePath, IReadOnlyList<PathComponent> names, string root)
    {
        StorePath = storePath;
        Names = names;
        Root = root;
    }

    /// <summary>The first name: that of a store path, or what someone took for one.</summary>
    public byte[] StorePath { get; }

    /// <summary>The names below it.</summary>
    public IReadOnlyList<PathComponent> Names { get; }

    /// <summary>The base of the cache relative to what was asked for; ends with a slash.</summary>
    public string Root { get; }

    /// <summary>Reads what a request asks for.</summary>
    /// <param name="http">The request.</param>
    /// <param name="rest">What routing found after the part that is fixed.</param>
    /// <returns><see langword="null"/> when there is something that is no name.</returns>
    public static PagePath? Of(HttpContext http, string rest)
    {
        string[] raw = RawPath(http).Split('/');
        int count = rest.Count(c => c == '/') + 1;
        if (count >= raw.Length || raw.Any(IsDots))
        {
            return null;
        }

        string root = string.Concat(Enumerable.Repeat("../", count));
        ReadOnlySpan<string> parts = raw.AsSpan(raw.Length - count);
        if (parts is [_, .., ""])
        {
            parts = parts[..^1]; // a slash at the end
        }

        List<PathComponent> names = [];
        foreach (string part in parts[1..])
        {
            if (!PathComponent.TryCreate(Decode(part), out PathComponent name))
            {
                return null;
            }

            names.Add(name);
        }

        return new PagePath(Decode(parts[0]), names, root);
    }

    /// <summary>The path as it is on the wire, without a query.</summary>
    public static string RawPath(HttpContext http)
    {
        string? target = http.Features.Get<IHttpRequestFeature>()?.RawTarget;
        if (string.IsNullOrEmpty(target))
        {
            target = (http.Request.PathBase + http.Request.Path).ToUriComponent(); // not every server has it
        }
        else if (target[0] != '/')
        {
            int authority = target.IndexOf("://", StringComparison.Ordinal);
            int path = authority < 0 ? -1 : target.IndexOf('/', authority + 3);
            target = path < 0 ? "/" : target[path..];
        }

        int query = target.IndexOf('?');
        return query < 0 ? target : target[..query];
    }

    /// <summary>The URL of a page relative to the base of the cache; <see langword="null"/> when it would be too long to be asked for.</summary>
    public static string? Link(StorePath path, IEnumerable<PathComponent> names)
    {
        StringBuilder link = new("path/");
        Encode(link, Encoding.ASCII.GetBytes(path.ToString()));
        foreach (PathComponent name in names)
        {
            link.Append('/');
            Encode(link, name.Bytes);
            if (link.Length > MaxLength)
            {
                return null;
            }
        }

        return link.ToString();
    }

    /// <summary>Percent-encodes all bytes that may mean something.</summary>
    public static void Encode(StringBuilder destination, ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            if (char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~')
            {
                destination.Append((char)b);
            }
            else
            {
                destination.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
            }
        }
    }

    private static bool IsDots(string part) => Decode(part) is [(byte)'.'] or [(byte)'.', (byte)'.'];

    private static byte[] Decode(string part)
    {
        using MemoryStream bytes = new(part.Length);
        for (int i = 0; i < part.Length; i++)
        {
            if (part[i] == '%' && i + 2 < part.Length && byte.TryParse(part.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte b))
            {
                bytes.WriteByte(b);
                i += 2;
            }
            else
            {
                bytes.Write(Encoding.UTF8.GetBytes(part, i, 1));
            }
        }

        return bytes.ToArray();
    }
}
