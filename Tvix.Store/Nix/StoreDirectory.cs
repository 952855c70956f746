using System.Text;

namespace Tvix.Store.Nix;

/// <summary>
/// Where store paths live: <c>/nix/store</c>, unless someone runs a store of their own elsewhere. It takes part in every computed path.
/// </summary>
/// <remarks><see langword="default"/> is <c>/nix/store</c>, so methods take an optional parameter of this type.</remarks>
public readonly record struct StoreDirectory
{
    private const string DefaultPath = "/nix/store";

    private readonly string? _path; // null for the default, so that equality by field is right

    /// <summary>Makes a store directory from its path.</summary>
    /// <param name="path">
    /// Absolute, in normal form: without trailing slash, empty components, <c>.</c>, <c>..</c> and control characters.
    /// </param>
    /// <exception cref="ArgumentException"><paramref name="path"/> is something else.</exception>
    public StoreDirectory(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!path.StartsWith('/') || path.Any(char.IsControl) || path[1..].Split('/').Any(part => part is "" or "." or ".."))
        {
            throw new ArgumentException(
                $"'{path}' is no store directory: it must be an absolute path in normal form, like {DefaultPath}.",
                nameof(path));
        }

        _path = path == DefaultPath ? null : path;
    }

    /// <summary><c>/nix/store</c>.</summary>
    public static StoreDirectory Default => default;

    /// <summary>The path, without trailing slash.</summary>
    public string Path => _path ?? DefaultPath;

    internal ReadOnlySpan<byte> Utf8 => _path is null ? "/nix/store"u8 : Encoding.UTF8.GetBytes(_path);

    /// <summary>The path, without trailing slash.</summary>
    public override string ToString() => Path;
}
