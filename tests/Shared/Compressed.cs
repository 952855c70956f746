using System.IO.Compression;
using Tvix.Castore.Compression;

namespace Tvix.Tests.Shared;

/// <summary>Compresses bytes for tests.</summary>
internal static class Compressed
{
    /// <summary>The bytes in a compression: gzip, zstd, br; as they are for any other name.</summary>
    public static byte[] Of(byte[] bytes, string compression)
    {
        MemoryStream file = new();
        using (Stream stream = compression switch
        {
            "gzip" => new GZipStream(file, CompressionLevel.Fastest, leaveOpen: true),
            "zstd" => new ZstdCompressionStream(file, leaveOpen: true),
            "br" => new BrotliStream(file, CompressionLevel.Fastest, leaveOpen: true),
            _ => file,
        })
        {
            stream.Write(bytes);
        }

        return file.ToArray();
    }
}
