using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Tvix.Castore.Model;

/// <summary>
/// One name in a path: 1 to 255 bytes, not <c>.</c> or <c>..</c>, without slash and NUL. It need not be valid UTF-8.
/// </summary>
/// <remarks>
/// Names are compared and ordered as unsigned bytes; a proper prefix comes first. <see langword="default"/> is the empty name, which is
/// not valid anywhere; <see cref="IsDefault"/> tells.
/// </remarks>
public readonly struct PathComponent : IEquatable<PathComponent>, IComparable<PathComponent>
{
    /// <summary>The greatest length of a name, in bytes.</summary>
    public const int MaxLength = 255;

    private readonly byte[]? _bytes;

    private PathComponent(byte[] validBytes) => _bytes = validBytes;

    /// <summary>Makes a name from its bytes, which are copied.</summary>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> is no valid name; the message says why.</exception>
    public PathComponent(ReadOnlySpan<byte> bytes)
    {
        PathComponentError error = Validate(bytes);
        if (error != PathComponentError.None)
        {
            throw new ArgumentException($"'{ByteText.Show(bytes)}' is not a valid name: {Describe(error)}.", nameof(bytes));
        }

        _bytes = bytes.ToArray();
    }

    /// <summary>Makes a name from text, encoded as UTF-8.</summary>
    /// <exception cref="ArgumentException"><paramref name="text"/> is no valid name; the message says why.</exception>
    public PathComponent(string text)
        : this(Encoding.UTF8.GetBytes(text ?? throw new ArgumentNullException(nameof(text))).AsSpan())
    {
    }

    /// <summary>Whether this is <see langword="default"/> and so no name at all.</summary>
    public bool IsDefault => _bytes is null;

    /// <summary>The bytes of the name.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The bytes of the name, for use across awaits.</summary>
    public ReadOnlyMemory<byte> Memory => _bytes;

    /// <summary>The length in bytes.</summary>
    public int Length => _bytes?.Length ?? 0;

    /// <summary>Says what, if anything, keeps <paramref name="bytes"/> from being a name.</summary>
    public static PathComponentError Validate(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return PathComponentError.Empty;
        }

        if (bytes[0] == '.')
        {
            if (bytes.Length == 2 && bytes[1] == '.')
            {
                return PathComponentError.ParentDirectory;
            }

            if (bytes.Length == 1)
            {
                return PathComponentError.CurrentDirectory;
            }
        }

        if (bytes.Length > MaxLength)
        {
            return PathComponentError.TooLong;
        }

        if (bytes.Contains((byte)0))
        {
            return PathComponentError.ContainsNull;
        }

        return bytes.Contains((byte)'/') ? PathComponentError.ContainsSlash : PathComponentError.None;
    }

    /// <summary>Makes a name from its bytes; <see langword="false"/> when they are no valid name.</summary>
    public static bool TryCreate(ReadOnlySpan<byte> bytes, out PathComponent component)
    {
        bool valid = Validate(bytes) == PathComponentError.None;
        component = valid ? new PathComponent(bytes.ToArray()) : default;
        return valid;
    }

    /// <summary>Takes over an array that the caller has validated and will not change.</summary>
    internal static PathComponent FromValid(byte[] bytes) => new(bytes);

    internal static string Describe(PathComponentError error) => error switch
    {
        PathComponentError.Empty => "it is empty",
        PathComponentError.ParentDirectory => "'..' stands for the parent directory",
        PathComponentError.CurrentDirectory => "'.' stands for the directory itself",
        PathComponentError.TooLong => $"it is longer than {MaxLength} bytes",
        PathComponentError.ContainsNull => "it contains a NUL byte",
        PathComponentError.ContainsSlash => "it contains a slash",
        _ => "it is valid",
    };

    /// <summary>
    /// The bytes after the last dot, which may be none; <see langword="false"/> when the name has no dot. A leading dot counts.
    /// </summary>
    public bool TryGetExtension(out ReadOnlySpan<byte> extension)
    {
        int dot = Bytes.LastIndexOf((byte)'.');
        extension = dot < 0 ? default : Bytes[(dot + 1)..];
        return dot >= 0;
    }

    /// <summary>Whether the bytes are the same.</summary>
    public bool Equals(PathComponent other) => Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is PathComponent other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(Bytes);
        return hash.ToHashCode();
    }

    /// <summary>Compares as unsigned bytes; a proper prefix comes first.</summary>
    public int CompareTo(PathComponent other) => Bytes.SequenceCompareTo(other.Bytes);

    /// <summary>The name for people: UTF-8, with escapes for what is not. Not a way to get the name back.</summary>
    public override string ToString() => ByteText.Show(Bytes);

    /// <summary>Whether two names are the same bytes.</summary>
    public static bool operator ==(PathComponent left, PathComponent right) => left.Equals(right);

    /// <summary>Whether two names differ.</summary>
    public static bool operator !=(PathComponent left, PathComponent right) => !left.Equals(right);

    /// <summary>Whether <paramref name="left"/> comes first.</summary>
    public static bool operator <(PathComponent left, PathComponent right) => left.CompareTo(right) < 0;

    /// <summary>Whether <paramref name="left"/> comes first or is the same.</summary>
    public static bool operator <=(PathComponent left, PathComponent right) => left.CompareTo(right) <= 0;

    /// <summary>Whether <paramref name="left"/> comes later.</summary>
    public static bool operator >(PathComponent left, PathComponent right) => left.CompareTo(right) > 0;

    /// <summary>Whether <paramref name="left"/> comes later or is the same.</summary>
    public static bool operator >=(PathComponent left, PathComponent right) => left.CompareTo(right) >= 0;
}
