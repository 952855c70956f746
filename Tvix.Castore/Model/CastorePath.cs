using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Tvix.Castore.Model;

/// <summary>
/// A relative, platform-independent path: zero or more <see cref="PathComponent"/>s joined by slashes. The empty path is the root.
/// </summary>
/// <remarks>
/// There are no absolute paths, no <c>.</c> or <c>..</c>, no doubled or trailing slashes. <see langword="default"/> is the root.
/// </remarks>
public readonly struct CastorePath : IEquatable<CastorePath>, IComparable<CastorePath>
{
    private readonly byte[]? _bytes;

    private CastorePath(byte[] validBytes) => _bytes = validBytes;

    /// <summary>The empty path.</summary>
    public static CastorePath Root => default;

    /// <summary>Whether the path has no components.</summary>
    public bool IsRoot => _bytes is null or [];

    /// <summary>The bytes: the components joined by slashes.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The components from the root on; none for the root.</summary>
    public IEnumerable<PathComponent> Components
    {
        get
        {
            byte[] bytes = _bytes ?? [];
            for (int start = 0; start < bytes.Length;)
            {
                int length = bytes.AsSpan(start).IndexOf((byte)'/');
                length = length < 0 ? bytes.Length - start : length;
                yield return PathComponent.FromValid(bytes.AsSpan(start, length).ToArray());
                start += length + 1;
            }
        }
    }

    /// <summary>The path without its last component; <see langword="null"/> for the root.</summary>
    public CastorePath? Parent
    {
        get
        {
            if (IsRoot)
            {
                return null;
            }

            int slash = Bytes.LastIndexOf((byte)'/');
            return slash < 0 ? Root : new CastorePath(Bytes[..slash].ToArray());
        }
    }

    /// <summary>The last component; <see langword="null"/> for the root.</summary>
    public PathComponent? FileName => IsRoot ? null : PathComponent.FromValid(Bytes[(Bytes.LastIndexOf((byte)'/') + 1)..].ToArray());

    /// <summary>Parses components joined by single slashes; no bytes are the root.</summary>
    /// <exception cref="FormatException">A component is not a valid name; so for absolute paths, doubled and trailing slashes.</exception>
    public static CastorePath Parse(ReadOnlySpan<byte> utf8OrBytes) =>
        TryParse(utf8OrBytes, out CastorePath path)
            ? path
            : throw new FormatException($"'{ByteText.Show(utf8OrBytes)}' is not a relative path of valid names.");

    /// <summary>Parses components joined by single slashes, encoded as UTF-8; the empty string is the root.</summary>
    /// <exception cref="FormatException">A component is not a valid name.</exception>
    public static CastorePath Parse(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Parse(Encoding.UTF8.GetBytes(path));
    }

    /// <summary>Parses components joined by single slashes; <see langword="false"/> when a component is not a valid name.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out CastorePath path)
    {
        path = default;
        if (bytes.IsEmpty)
        {
            return true;
        }

        for (int start = 0; start <= bytes.Length;)
        {
            int length = bytes[start..].IndexOf((byte)'/');
            length = length < 0 ? bytes.Length - start : length;
            if (PathComponent.Validate(bytes.Slice(start, length)) != PathComponentError.None)
            {
                return false;
            }

            start += length + 1;
        }

        path = new CastorePath(bytes.ToArray());
        return true;
    }

    /// <summary>
    /// Converts a path as operating systems and archives write it: repeated and trailing slashes and <c>.</c> vanish, and <c>..</c> drops
    /// the component before it when that is allowed.
    /// </summary>
    /// <param name="hostPath">The bytes of the path.</param>
    /// <param name="resolveParents">Whether <c>..</c> drops the component before it; otherwise it is an error.</param>
    /// <exception cref="FormatException">The path is absolute, leads out of its start, or holds an invalid name.</exception>
    public static CastorePath FromHostPath(ReadOnlySpan<byte> hostPath, bool resolveParents = false)
    {
        if (hostPath.StartsWith("/"u8))
        {
            throw new FormatException($"'{ByteText.Show(hostPath)}' is an absolute path.");
        }

        List<byte> path = new(hostPath.Length);
        foreach (Range range in hostPath.Split((byte)'/'))
        {
            ReadOnlySpan<byte> piece = hostPath[range];
            switch (PathComponent.Validate(piece))
            {
                case PathComponentError.Empty or PathComponentError.CurrentDirectory:
                    break;
                case PathComponentError.ParentDirectory when resolveParents && path.Count > 0:
                    int slash = path.LastIndexOf((byte)'/');
                    path.RemoveRange(Math.Max(slash, 0), path.Count - Math.Max(slash, 0));
                    break;
                case PathComponentError.ParentDirectory:
                    throw new FormatException(
                        $"'{ByteText.Show(hostPath)}' " + (resolveParents ? "leads out of its start." : "contains '..'."));
                case PathComponentError.None:
                    if (path.Count > 0)
                    {
                        path.Add((byte)'/');
                    }

                    path.AddRange(piece);
                    break;
                case PathComponentError error:
                    throw new FormatException(
                        $"In '{ByteText.Show(hostPath)}', '{ByteText.Show(piece)}' is not a valid name: {PathComponent.Describe(error)}.");
            }
        }

        return new CastorePath([.. path]);
    }

    /// <summary>This path with one more component.</summary>
    public CastorePath Append(PathComponent name)
    {
        if (name.IsDefault)
        {
            throw new ArgumentException("The name is empty.", nameof(name));
        }

        return IsRoot ? new CastorePath(name.Bytes.ToArray()) : new CastorePath([.. Bytes, (byte)'/', .. name.Bytes]);
    }

    /// <summary>Whether the bytes are the same.</summary>
    public bool Equals(CastorePath other) => Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is CastorePath other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(Bytes);
        return hash.ToHashCode();
    }

    /// <summary>Compares the bytes.</summary>
    public int CompareTo(CastorePath other) => Bytes.SequenceCompareTo(other.Bytes);

    /// <summary>The path for people: UTF-8, with escapes for what is not.</summary>
    public override string ToString() => ByteText.Show(Bytes, int.MaxValue);

    /// <summary>Whether two paths are the same bytes.</summary>
    public static bool operator ==(CastorePath left, CastorePath right) => left.Equals(right);

    /// <summary>Whether two paths differ.</summary>
    public static bool operator !=(CastorePath left, CastorePath right) => !left.Equals(right);
}
