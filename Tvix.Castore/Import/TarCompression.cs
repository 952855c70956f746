using System.IO.Compression;
using Tvix.Castore.Compression;

namespace Tvix.Castore.Import;

/// <summary>Tells by its first bytes how an archive is compressed.</summary>
internal static class TarCompression
{
    /// <summary>Makes a stream of the archive itself.</summary>
    /// <returns>The stream, which leaves <paramref name="source"/> open when disposed, and whether the archive is compressed.</returns>
    /// <exception cref="ImportException">It cannot be read, or is compressed in a way that is not supported.</exception>
    public static async ValueTask<(Stream Archive, bool IsCompressed)> OpenAsync(Stream source, CancellationToken cancellationToken)
    {
        byte[] start = new byte[6];
        int length;
        try
        {
            length = await source.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw new ImportException(ImportError.Read, default, "the archive cannot be read", e);
        }

        PrefixedStream whole = new(start.AsMemory(0, length), source);
        return start switch
        {
            [0x1f, 0x8b, ..] => (new GZipStream(whole, CompressionMode.Decompress), true),
            [0x28, 0xb5, 0x2f, 0xfd, ..] or [>= 0x50 and <= 0x5f, 0x2a, 0x4d, 0x18, ..] => (new ZstdDecompressionStream(whole), true),
            [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0] => throw Unsupported("xz"),
            [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', ..] => throw Unsupported("bzip2"),
            _ => (whole, false),
        };
    }

    private static ImportException Unsupported(string format) =>
        new(
            ImportError.InvalidArchive,
            default,
            $"the archive is compressed with {format}; only plain, gzip and zstd archives can be read");
}
