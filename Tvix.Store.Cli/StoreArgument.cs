using System.Text;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.Cli;

/// <summary>A store path as people write it: absolute, a base name, or the hash alone; maybe with a path inside.</summary>
/// <param name="Digest">The hash part.</param>
/// <param name="Name">The name; <see langword="null"/> when it was not given.</param>
/// <param name="SubPath">The path inside; the root when none was given.</param>
internal sealed record StoreArgument(StorePathDigest Digest, string? Name, CastorePath SubPath)
{
    /// <summary>Parses an argument.</summary>
    /// <exception cref="ToolException">It is something else.</exception>
    public static StoreArgument Parse(string argument, StoreDirectory storeDirectory)
    {
        try
        {
            if (argument.StartsWith('/'))
            {
                StorePath absolute = StorePath.ParseAbsoluteWithSubPath(argument, out string subPath, storeDirectory);
                return new StoreArgument(absolute.Digest, absolute.Name, CastorePath.Parse(subPath));
            }

            int slash = argument.IndexOf('/', StringComparison.Ordinal);
            string head = slash < 0 ? argument : argument[..slash];
            string tail = slash < 0 ? "" : argument[slash..].TrimStart('/');
            CastorePath rest = CastorePath.FromHostPath(Encoding.UTF8.GetBytes(tail));
            if (head.Length == StorePathDigest.TextLength)
            {
                return new StoreArgument(StorePathDigest.Parse(head), null, rest);
            }

            StorePath path = StorePath.ParseBaseName(head);
            return new StoreArgument(path.Digest, path.Name, rest);
        }
        catch (FormatException e)
        {
            throw ToolException.BadCommandLine(e.Message, e);
        }
    }

    /// <summary>Parses an argument; <see langword="null"/> when it is something else.</summary>
    public static StoreArgument? TryParse(string argument, StoreDirectory storeDirectory)
    {
        try
        {
            return Parse(argument, storeDirectory);
        }
        catch (ToolException)
        {
            return null;
        }
    }
}
