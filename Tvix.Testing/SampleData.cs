namespace Tvix.Testing;

/// <summary>Byte strings to store: reproducible, and not compressible.</summary>
public static class SampleData
{
    /// <summary>
    /// Lengths worth testing, in bytes: nothing, around the blocks and chunks of BLAKE3, and around the greatest lengths that are stored in
    /// one piece.
    /// </summary>
    public static IEnumerable<int> BlobSizes => [0, 1, 63, 64, 65, 1023, 1024, 1025, 65536, 1 << 20, (1 << 20) + 1];

    /// <summary>Bytes that look random; the same seed and length give the same bytes on every machine.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    public static byte[] Bytes(int length, int seed = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
