using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Tvix.Store.Cli.Daemon;

/// <summary>Where the daemon listens.</summary>
/// <remarks>
/// <code>
/// address = IPV4 ":" port | "[" IPV6 "]:" port | path | "unix:" path | "@" name | sd [ ":" name | ":*" ]
/// path    = text that begins with "/" or "./"; after "unix:" any text
/// sd      = "sd-listen" | "sd_listen" | "sd-listen-unix" | "sd_listen_unix", in any case
/// </code>
/// </remarks>
internal abstract record ListenAddress
{
    private ListenAddress()
    {
    }

    /// <exception cref="FormatException">The text is no address.</exception>
    public static ListenAddress Parse(string text)
    {
        if (text.StartsWith('/') || text.StartsWith("./", StringComparison.Ordinal))
        {
            return ParsePath(text, text);
        }

        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            return ParsePath(text, text["unix:".Length..]);
        }

        if (text.StartsWith('@'))
        {
            return text.Length > 1 ? new Abstract(MakeEndPoint(text, "\0" + text[1..]), text) : throw Wrong(text);
        }

        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string word = (colon < 0 ? text : text[..colon]).Replace('_', '-');
        if (word.Equals("sd-listen", StringComparison.OrdinalIgnoreCase) || word.Equals("sd-listen-unix", StringComparison.OrdinalIgnoreCase))
        {
            string? name = colon < 0 ? null : text[(colon + 1)..];
            return name switch { null => new Passed(null, false), "" => throw Wrong(text), "*" => new Passed(null, true), _ => new Passed(name, false) };
        }

        return ParseTcp(text);
    }

    private static Tcp ParseTcp(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            throw Wrong(text);
        }

        string host = text[..colon];
        bool bracketed = host is ['[', .., ']'];
        return IPAddress.TryParse(bracketed ? host[1..^1] : host, out IPAddress? address)
            && address.AddressFamily == (bracketed ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork)
            ? new Tcp(new IPEndPoint(address, port))
            : throw Wrong(text);
    }

    private static Unix ParsePath(string text, string path)
    {
        if (path.Length == 0)
        {
            throw Wrong(text);
        }

        string full = System.IO.Path.GetFullPath(path);
        return new Unix(MakeEndPoint(text, full), full);
    }

    private static UnixDomainSocketEndPoint MakeEndPoint(string text, string path)
    {
        try
        {
            return new UnixDomainSocketEndPoint(path);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new FormatException($"'{text}' is too long for a Unix socket.", e);
        }
    }

    private static FormatException Wrong(string text) => new(
        $"'{text}' is not an address to listen on. Such are 127.0.0.1:8000, [::]:8000, /run/tvix-store.sock, unix:PATH, @NAME, sd-listen, sd-listen:NAME and sd-listen:*.");

    /// <summary>A TCP port; 0 for one that is free.</summary>
    public sealed record Tcp(IPEndPoint EndPoint) : ListenAddress;

    /// <summary>A Unix socket.</summary>
    /// <param name="EndPoint">Its address.</param>
    /// <param name="Path">Where its file is, an absolute path.</param>
    public sealed record Unix(UnixDomainSocketEndPoint EndPoint, string Path) : ListenAddress;

    /// <summary>A Unix socket that has no file.</summary>
    /// <param name="EndPoint">Its address.</param>
    /// <param name="Name"><c>@</c> and its name.</param>
    public sealed record Abstract(UnixDomainSocketEndPoint EndPoint, string Name) : ListenAddress;

    /// <summary>Sockets that were passed by systemd.</summary>
    /// <param name="Name">The name of the socket; <see langword="null"/> for the first one.</param>
    /// <param name="All">All of them.</param>
    public sealed record Passed(string? Name, bool All) : ListenAddress;
}
