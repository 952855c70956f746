using System.Diagnostics.CodeAnalysis;
using System.Text;
using Tvix.Castore.Model;

namespace Tvix.Store.Nix;

/// <summary>A path in a Nix store: a digest of 20 bytes and a name.</summary>
/// <remarks>
/// <code>
/// absolute  = store directory "/" base name
/// base name = 32 symbols of nixbase32 "-" name
/// </code>
/// Immutable. Equality and order are by digest and name; the order is that of the base names' bytes.
/// </remarks>
public sealed class StorePath : IEquatable<StorePath>, IComparable<StorePath>
{
    private const int MinBaseNameLength = StorePathDigest.TextLength + 2; // a dash and a name of one byte

    private StorePath(StorePathDigest digest, ReadOnlySpan<byte> validName)
    {
        Digest = digest;
        Name = Encoding.ASCII.GetString(validName);
    }

    /// <summary>Makes a store path from its parts.</summary>
    /// <exception cref="ArgumentException"><paramref name="name"/> breaks the rules of <see cref="StorePathName"/>.</exception>
    public StorePath(StorePathDigest digest, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        byte[] utf8 = Utf8Text.Encode(name);
        StorePathError error = StorePathName.Validate(utf8, out int position);
        if (error != StorePathError.None)
        {
            throw new ArgumentException(DescribeName(utf8, error, position), nameof(name));
        }

        Digest = digest;
        Name = name;
    }

    /// <summary>The hash part.</summary>
    public StorePathDigest Digest { get; }

    /// <summary>The part after the dash: 1 to 211 ASCII characters, see <see cref="StorePathName"/>.</summary>
    public string Name { get; }

    /// <summary>Parses a base name, like <c>00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60</c>.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is something else; the message says what is wrong.</exception>
    public static StorePath ParseBaseName(ReadOnlySpan<char> text)
    {
        byte[] utf8 = Utf8Text.Encode(text);
        return TryParseBaseName(utf8, out StorePath? path, out StorePathError error)
            ? path
            : throw new FormatException(Describe(utf8, error));
    }

    /// <summary>Parses a base name from UTF-8; <see langword="false"/> when it is something else.</summary>
    public static bool TryParseBaseName(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out StorePath? path, out StorePathError error)
    {
        path = null;
        if (utf8.Length < MinBaseNameLength)
        {
            error = StorePathError.InvalidLength;
            return false;
        }

        Span<byte> digest = stackalloc byte[StorePathDigest.Size];
        if (NixBase32.TryDecode(utf8[..StorePathDigest.TextLength], digest, out _) != NixBase32Error.None)
        {
            error = StorePathError.InvalidHashEncoding;
            return false;
        }

        if (utf8[StorePathDigest.TextLength] != '-')
        {
            error = StorePathError.MissingDash;
            return false;
        }

        ReadOnlySpan<byte> name = utf8[(StorePathDigest.TextLength + 1)..];
        error = StorePathName.Validate(name, out _);
        path = error == StorePathError.None ? new StorePath(new StorePathDigest(digest), name) : null;
        return path is not null;
    }

    /// <summary>Parses an absolute store path, without anything after the base name.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is something else; the message says what is wrong.</exception>
    public static StorePath ParseAbsolute(ReadOnlySpan<char> text, StoreDirectory storeDirectory = default)
    {
        byte[] utf8 = Utf8Text.Encode(text);
        return TryParseAbsolute(utf8, out StorePath? path, out StorePathError error, storeDirectory)
            ? path
            : throw new FormatException(DescribeAbsolute(utf8, error, storeDirectory));
    }

    /// <summary>Parses an absolute store path from UTF-8; <see langword="false"/> when it is something else.</summary>
    public static bool TryParseAbsolute(
        ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out StorePath? path, out StorePathError error, StoreDirectory storeDirectory = default)
    {
        ReadOnlySpan<byte> directory = storeDirectory.Utf8;
        if (!utf8.StartsWith(directory) || utf8.Length == directory.Length || utf8[directory.Length] != '/')
        {
            path = null;
            error = StorePathError.MissingStoreDirectory;
            return false;
        }

        return TryParseBaseName(utf8[(directory.Length + 1)..], out path, out error);
    }

    /// <summary>Parses an absolute path to a store path or to something below it.</summary>
    /// <param name="text">The path.</param>
    /// <param name="subPath">What follows the store path, as <see cref="TryParseAbsoluteWithSubPath"/> has it, as text.</param>
    /// <param name="storeDirectory">The store directory.</param>
    /// <exception cref="FormatException"><paramref name="text"/> is something else; the message says what is wrong.</exception>
    public static StorePath ParseAbsoluteWithSubPath(ReadOnlySpan<char> text, out string subPath, StoreDirectory storeDirectory = default)
    {
        byte[] utf8 = Utf8Text.Encode(text);
        if (!TrySplit(utf8, out ReadOnlySpan<byte> baseName, out byte[] rest, storeDirectory))
        {
            throw new FormatException(DescribeAbsolute(utf8, StorePathError.MissingStoreDirectory, storeDirectory));
        }

        if (!TryParseBaseName(baseName, out StorePath? path, out StorePathError error))
        {
            throw new FormatException(Describe(baseName, error));
        }

        subPath = Encoding.UTF8.GetString(rest);
        return path;
    }

    /// <summary>
    /// Parses an absolute path to a store path or to something below it. Repeated slashes and <c>.</c> components do not count.
    /// </summary>
    /// <param name="bytes">The path.</param>
    /// <param name="path">The store path, or <see langword="null"/>.</param>
    /// <param name="subPath">
    /// What follows the store path: components with one slash in between, none at the ends; empty if there are none. <c>..</c> is kept and
    /// not resolved: whoever follows the sub-path must refuse it.
    /// </param>
    /// <param name="error">What is wrong.</param>
    /// <param name="storeDirectory">The store directory.</param>
    public static bool TryParseAbsoluteWithSubPath(
        ReadOnlySpan<byte> bytes,
        [NotNullWhen(true)] out StorePath? path,
        out byte[] subPath,
        out StorePathError error,
        StoreDirectory storeDirectory = default)
    {
        if (!TrySplit(bytes, out ReadOnlySpan<byte> baseName, out subPath, storeDirectory))
        {
            path = null;
            error = StorePathError.MissingStoreDirectory;
            return false;
        }

        bool ok = TryParseBaseName(baseName, out path, out error);
        subPath = ok ? subPath : [];
        return ok;
    }

    /// <summary>
    /// Makes a store path from raw parts; <see langword="false"/> when the digest has not 20 bytes or the name is not valid.
    /// </summary>
    public static bool TryCreate(
        ReadOnlySpan<byte> name,
        ReadOnlySpan<byte> digest,
        [NotNullWhen(true)] out StorePath? path,
        out StorePathError error)
    {
        error = digest.Length == StorePathDigest.Size ? StorePathName.Validate(name, out _) : StorePathError.InvalidLength;
        path = error == StorePathError.None ? new StorePath(new StorePathDigest(digest), name) : null;
        return path is not null;
    }

    /// <summary>The absolute path.</summary>
    public string ToAbsolutePath(StoreDirectory storeDirectory = default) => $"{storeDirectory.Path}/{Digest}-{Name}";

    /// <summary>The base name: hash part, dash and name.</summary>
    public override string ToString() => $"{Digest}-{Name}";

    /// <summary>Whether digest and name are the same.</summary>
    public bool Equals(StorePath? other) => other is not null && Digest == other.Digest && Name == other.Name;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as StorePath);

    /// <inheritdoc/>
    public override int GetHashCode() => Digest.GetHashCode();

    /// <summary>Compares as the base names do, byte by byte. <see langword="null"/> comes first.</summary>
    public int CompareTo(StorePath? other)
    {
        if (other is null)
        {
            return 1;
        }

        int c = Digest.CompareTo(other.Digest);
        return c != 0 ? c : string.CompareOrdinal(Name, other.Name);
    }

    /// <summary>Whether two store paths are the same.</summary>
    public static bool operator ==(StorePath? left, StorePath? right) => left is null ? right is null : left.Equals(right);

    /// <summary>Whether two store paths differ.</summary>
    public static bool operator !=(StorePath? left, StorePath? right) => !(left == right);

    /// <summary>What is wrong with a base name.</summary>
    internal static string Describe(ReadOnlySpan<byte> baseName, StorePathError error)
    {
        string shown = ByteText.Show(baseName);
        switch (error)
        {
            case StorePathError.InvalidLength:
                return $"'{shown}' is too short or too long for the base name of a store path.";
            case StorePathError.InvalidHashEncoding:
                Span<byte> digest = stackalloc byte[StorePathDigest.Size];
                NixBase32Error reason = NixBase32.TryDecode(baseName[..StorePathDigest.TextLength], digest, out int position);
                return $"'{shown}' is no store path: {NixBase32.Describe(reason, position)}.";
            case StorePathError.MissingDash:
                return $"'{shown}' is no store path: there is no dash after the hash.";
            case StorePathError.InvalidName:
                ReadOnlySpan<byte> name = baseName[(StorePathDigest.TextLength + 1)..];
                StorePathName.Validate(name, out position);
                return DescribeName(name, error, position);
            default:
                return $"'{shown}' is the base name of a store path.";
        }
    }

    /// <summary>What is wrong with an absolute path without anything after the base name.</summary>
    internal static string DescribeAbsolute(ReadOnlySpan<byte> text, StorePathError error, StoreDirectory storeDirectory) =>
        error == StorePathError.MissingStoreDirectory
            ? $"'{ByteText.Show(text)}' does not begin with {storeDirectory}/."
            : Describe(text[(storeDirectory.Utf8.Length + 1)..], error);

    internal static string DescribeName(ReadOnlySpan<byte> name, StorePathError error, int position) =>
        error == StorePathError.InvalidLength
        ? $"'{ByteText.Show(name)}' cannot be the name of a store path: it has {name.Length} bytes instead of 1 to {StorePathName.MaxLength}."
        : $"'{ByteText.Show(name)}' cannot be the name of a store path: the byte at {position} is not one of A-Z a-z 0-9 + - . _ ? =.";

    /// <summary>Splits a path in the store directory into base name, which is empty if there is none, and the rest.</summary>
    private static bool TrySplit(
        ReadOnlySpan<byte> path,
        out ReadOnlySpan<byte> baseName,
        out byte[] subPath,
        StoreDirectory storeDirectory)
    {
        subPath = [];
        baseName = default;
        ReadOnlySpan<byte> directory = storeDirectory.Utf8;
        if (!path.StartsWith((byte)'/'))
        {
            return false;
        }

        while (TryNextComponent(ref directory, out ReadOnlySpan<byte> wanted))
        {
            if (!TryNextComponent(ref path, out ReadOnlySpan<byte> found) || !found.SequenceEqual(wanted))
            {
                return false;
            }
        }

        TryNextComponent(ref path, out baseName);
        byte[] rest = new byte[path.Length];
        int length = 0;
        while (TryNextComponent(ref path, out ReadOnlySpan<byte> component))
        {
            if (length > 0)
            {
                rest[length++] = (byte)'/';
            }

            component.CopyTo(rest.AsSpan(length));
            length += component.Length;
        }

        subPath = rest[..length];
        return true;
    }

    /// <summary>Takes the next component that counts off the front of a path.</summary>
    private static bool TryNextComponent(scoped ref ReadOnlySpan<byte> path, out ReadOnlySpan<byte> component)
    {
        while (!path.IsEmpty)
        {
            int slash = path.IndexOf((byte)'/');
            component = slash < 0 ? path : path[..slash];
            path = slash < 0 ? default : path[(slash + 1)..];
            if (!component.IsEmpty && !component.SequenceEqual("."u8))
            {
                return true;
            }
        }

        component = default;
        return false;
    }
}
