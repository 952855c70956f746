using System.Runtime.CompilerServices;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blake3;

/// <content>Whole messages.</content>
public sealed partial class Blake3Hasher
{
    /// <summary>The digest of a message.</summary>
    /// <param name="source">The message; may be empty.</param>
    [SkipLocalsInit]
    public static B3Digest HashData(ReadOnlySpan<byte> source)
    {
        Span<byte> digest = stackalloc byte[HashSizeInBytes];
        Blake3Tree.Root(source, digest);
        return new B3Digest(digest);
    }

    /// <summary>Writes the digest of a message.</summary>
    /// <param name="source">The message; may be empty.</param>
    /// <param name="destination">At least <see cref="HashSizeInBytes"/> bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public static void HashData(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (destination.Length < HashSizeInBytes)
        {
            throw TooShort(nameof(destination));
        }

        Blake3Tree.Root(source, destination);
    }
}
