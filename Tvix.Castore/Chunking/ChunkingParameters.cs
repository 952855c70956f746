using System.Diagnostics.CodeAnalysis;

namespace Tvix.Castore.Chunking;

/// <summary>How large the chunks are that <see cref="FastCdc"/> cuts. Equal parameters cut equal data at equal places.</summary>
/// <remarks>
/// Immutable. Stores that should share chunks need the same average; the default is the one that other implementations use. Spec: castore
/// §3.7.
/// </remarks>
public sealed class ChunkingParameters : IEquatable<ChunkingParameters>
{
    /// <summary>The least average size, in bytes.</summary>
    public const uint MinAverage = 512;

    /// <summary>The greatest average size, in bytes.</summary>
    public const uint MaxAverage = 2_097_153;

    /// <summary>The average size that is used when nothing else is said, in bytes: 256 KiB.</summary>
    public const uint DefaultAverage = 262_144;

    private ChunkingParameters(int minSize, int averageSize, int maxSize)
    {
        MinSize = minSize;
        AverageSize = averageSize;
        MaxSize = maxSize;
        int bits = (int)Math.Round(Math.Log2(averageSize), MidpointRounding.AwayFromZero);
        MaskBeforeCentre = GearTable.Mask(bits + 1);
        MaskAfterCentre = GearTable.Mask(bits - 1);
    }

    /// <summary>Chunks of 128 to 512 KiB, 256 KiB in the mean.</summary>
    public static ChunkingParameters Default { get; } = FromAverage(DefaultAverage);

    /// <summary>
    /// The least size of a chunk in bytes, except that the last one of a blob may be smaller, and one byte less where this is odd.
    /// </summary>
    public int MinSize { get; }

    /// <summary>The size around which chunks are made, in bytes.</summary>
    public int AverageSize { get; }

    /// <summary>The greatest size of a chunk, in bytes.</summary>
    public int MaxSize { get; }

    /// <summary>One bit more than the average asks for: cuts are rarer before the average size is reached.</summary>
    internal ulong MaskBeforeCentre { get; }

    /// <summary>One bit less than the average asks for: cuts are more frequent after the average size.</summary>
    internal ulong MaskAfterCentre { get; }

    /// <summary>Parameters as a store is configured: an average, half of it as the least and twice of it as the greatest size.</summary>
    /// <param name="average">The average size in bytes, <see cref="MinAverage"/> to <see cref="MaxAverage"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="average"/> is out of its range.</exception>
    public static ChunkingParameters FromAverage(uint average)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(average, MinAverage);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(average, MaxAverage);
        return new ChunkingParameters((int)average / 2, (int)average, (int)average * 2);
    }

    /// <summary>Parameters as the algorithm takes them, with its own wider ranges.</summary>
    internal static ChunkingParameters Create(int minSize, int averageSize, int maxSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(minSize, 64);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minSize, 1 << 20);
        ArgumentOutOfRangeException.ThrowIfLessThan(averageSize, Math.Max(256, minSize));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(averageSize, 1 << 22);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxSize, Math.Max(1024, averageSize));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxSize, 1 << 24);
        return new ChunkingParameters(minSize, averageSize, maxSize);
    }

    /// <summary>Whether the sizes are the same.</summary>
    public bool Equals([NotNullWhen(true)] ChunkingParameters? other) =>
        other is not null && (MinSize, AverageSize, MaxSize) == (other.MinSize, other.AverageSize, other.MaxSize);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => Equals(obj as ChunkingParameters);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(MinSize, AverageSize, MaxSize);

    /// <summary>The three sizes, for people.</summary>
    public override string ToString() => $"{MinSize} to {MaxSize} bytes, about {AverageSize}";
}
