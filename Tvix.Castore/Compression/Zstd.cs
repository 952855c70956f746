using System.Buffers;

namespace Tvix.Castore.Compression;

/// <summary>Zstandard (RFC 8878) over spans, by the system's libzstd. Thread-safe.</summary>
/// <remarks>
/// Every member except <see cref="IsAvailable"/> and the constants throws <see cref="PlatformNotSupportedException"/>, with a message that
/// says what to install, when the library is not there.
/// </remarks>
public static class Zstd
{
    /// <summary>The fastest level.</summary>
    public const int MinLevel = 1;

    /// <summary>The level with the smallest results; slow, and decoders need up to 128 MiB for it.</summary>
    public const int MaxLevel = 22;

    /// <summary>The level that is used when nothing else is said.</summary>
    public const int DefaultLevel = 3;

    /// <summary>Whether libzstd, version 1.4 or later, is on this machine.</summary>
    public static bool IsAvailable => LibZstd.IsAvailable;

    /// <summary>Checks early what every other member would check.</summary>
    /// <exception cref="PlatformNotSupportedException">The library is not there; the message says what to install.</exception>
    public static void ThrowIfUnavailable() => LibZstd.ThrowIfAbsent();

    /// <summary>
    /// The most bytes that compressing <paramref name="length"/> bytes can give; a destination of that length always suffices.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="length"/> is negative, or the result is more than an array can hold.
    /// </exception>
    public static int GetMaxCompressedLength(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        LibZstd.ThrowIfAbsent();
        ulong bound = LibZstd.CompressBound(length);
        return bound <= (ulong)Array.MaxLength
            ? (int)bound
            : throw new ArgumentOutOfRangeException(nameof(length), length, "The result would be more than an array can hold.");
    }

    /// <summary>Compresses into one frame, which declares the length of its contents and has no checksum.</summary>
    /// <param name="source">The contents.</param>
    /// <param name="destination">Receives the frame. Make it shorter than the contents to compress only what becomes smaller.</param>
    /// <param name="written">The length of the frame in bytes; 0 when it does not fit.</param>
    /// <param name="level"><see cref="MinLevel"/> to <see cref="MaxLevel"/>.</param>
    /// <returns>Whether the frame fits into <paramref name="destination"/>. If not, its bytes are undefined.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="level"/> is out of its range.</exception>
    public static bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written, int level = DefaultLevel)
    {
        ThrowIfNoLevel(level);
        ZstdCompressor compressor = ZstdCompressor.Pool.Rent();
        try
        {
            return LibZstd.TryCompress(compressor, source, destination, level, out written);
        }
        finally
        {
            ZstdCompressor.Return(compressor, level);
        }
    }

    /// <summary>Compresses into one frame of its own.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="level"/> is out of its range.</exception>
    public static byte[] Compress(ReadOnlySpan<byte> source, int level = DefaultLevel)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(GetMaxCompressedLength(source.Length));
        try
        {
            return TryCompress(source, buffer, out int written, level)
                ? buffer.AsSpan(0, written).ToArray()
                : throw new InvalidOperationException("libzstd needs more than its own bound.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Decompresses one or more whole frames.</summary>
    /// <param name="source">The frames, and nothing else.</param>
    /// <param name="destination">Receives their contents; nothing is written beyond it, whatever the frames declare.</param>
    /// <param name="written">The length of the contents in bytes; 0 when they do not fit.</param>
    /// <returns>Whether the contents fit into <paramref name="destination"/>. If not, its bytes are undefined.</returns>
    /// <exception cref="InvalidDataException">
    /// <paramref name="source"/> is empty, truncated, damaged, or goes on with something else.
    /// </exception>
    public static bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        ZstdDecompressor decompressor = ZstdDecompressor.Pool.Rent();
        try
        {
            ThrowIfEmpty(source);
            return LibZstd.TryDecompress(decompressor, source, destination, out written);
        }
        finally
        {
            ZstdDecompressor.Pool.Return(decompressor);
        }
    }

    /// <summary>Decompresses one or more whole frames whose contents are of unknown, bounded length.</summary>
    /// <param name="source">The frames, and nothing else.</param>
    /// <param name="maxBytes">The most that the caller is ready to hold in memory.</param>
    /// <exception cref="InvalidDataException">
    /// <paramref name="source"/> is empty, truncated, damaged, goes on with something else, or holds more than <paramref name="maxBytes"/>.
    /// </exception>
    public static byte[] Decompress(ReadOnlySpan<byte> source, int maxBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        ZstdDecompressor decompressor = ZstdDecompressor.Pool.Rent();
        byte[] buffer = [];
        try
        {
            ThrowIfEmpty(source);
            LibZstd.Reset(decompressor);

            // What a frame declares is a hint for the first allocation, and only within the limit.
            ulong declared = LibZstd.GetContentLength(source) ?? (ulong)source.Length * 4;
            buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min((ulong)maxBytes, Math.Max(declared, 256)));
            int length = 0;
            while (true)
            {
                Span<byte> free = buffer.AsSpan(length, Math.Min(buffer.Length, maxBytes) - length);
                nuint state = LibZstd.Decompress(decompressor, source, free, out int consumed, out int written);
                source = source[consumed..];
                length += written;
                if (source.IsEmpty && state == 0)
                {
                    return buffer.AsSpan(0, length).ToArray();
                }

                if (written < free.Length && source.IsEmpty)
                {
                    throw Truncated();
                }

                if (written == free.Length && consumed == 0)
                {
                    Grow(ref buffer, length, maxBytes);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            ZstdDecompressor.Pool.Return(decompressor);
        }
    }

    /// <summary>
    /// The length of the contents that the first frame declares. Not to be trusted; for a bound see <see cref="TryDecompress"/>.
    /// </summary>
    /// <param name="source">The start of the frame, at least 18 bytes of it or all there are.</param>
    /// <returns>The length in bytes; <see langword="null"/> when the frame declares none.</returns>
    /// <exception cref="InvalidDataException"><paramref name="source"/> does not start with a complete frame header.</exception>
    public static ulong? GetDeclaredLength(ReadOnlySpan<byte> source)
    {
        LibZstd.ThrowIfAbsent();
        return LibZstd.GetContentLength(source);
    }

    /// <summary>The length of the first frame itself, found without decompressing it.</summary>
    /// <exception cref="InvalidDataException"><paramref name="source"/> does not start with a complete frame.</exception>
    public static int GetFrameLength(ReadOnlySpan<byte> source)
    {
        LibZstd.ThrowIfAbsent();
        return LibZstd.GetFrameLength(source);
    }

    internal static void ThrowIfNoLevel(int level)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(level, MinLevel);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, MaxLevel);
    }

    internal static InvalidDataException Truncated() => new("The zstd data is truncated.");

    private static void ThrowIfEmpty(ReadOnlySpan<byte> source)
    {
        if (source.IsEmpty)
        {
            throw Truncated();
        }
    }

    private static void Grow(ref byte[] buffer, int length, int maxBytes)
    {
        if (length == maxBytes)
        {
            throw TooLong(maxBytes);
        }

        byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Min((uint)maxBytes, Math.Max(256, (uint)length * 2)));
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    private static InvalidDataException TooLong(int maxBytes) =>
        new($"The zstd data holds more than the {maxBytes} bytes that are allowed here.");
}
