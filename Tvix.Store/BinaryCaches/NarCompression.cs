using System.IO.Compression;
using Tvix.Castore.Compression;
using Tvix.Store.NarInfos;

namespace Tvix.Store.BinaryCaches;

/// <summary>How NARs are compressed in binary caches: the values of <c>Compression</c> in narinfos. Spec: nix-formats §5.4.</summary>
public static class NarCompression
{
    /// <summary>Not at all.</summary>
    public const string None = NarInfo.NoCompression;

    /// <summary>What Nix uploads unless told otherwise. Needs the system's liblzma.</summary>
    public const string Xz = "xz";

    /// <summary>What a narinfo means that does not say. Needs the system's libbz2.</summary>
    public const string Bzip2 = NarInfo.DefaultCompression;

    /// <summary>Zstandard. Needs the system's libzstd.</summary>
    public const string Zstd = "zstd";

    /// <summary>gzip, whose files Nix gives no suffix of their own.</summary>
    public const string Gzip = "gzip";

    /// <summary>Brotli.</summary>
    public const string Brotli = "br";

    /// <summary>How many bytes from the start of a file <see cref="Detect"/> can use.</summary>
    public const int DetectLength = 24;

    private const int BrotliQuality = 5; // the highest takes a hundred times as long for a tenth less

    /// <summary>Whether <see cref="OpenRead"/> knows the name, which says nothing about libraries that it needs.</summary>
    public static bool IsKnown(string compression) => compression is None or Xz or Bzip2 or Zstd or Gzip or Brotli;

    /// <summary>What the suffix of a file name says, which is only a habit.</summary>
    /// <param name="suffix">What follows <c>.nar</c> in the name, such as <c>.xz</c>.</param>
    /// <returns>The name of the compression; <see langword="null"/> when the suffix is another one or empty: then it is none or gzip.</returns>
    public static string? FromSuffix(string suffix) => suffix switch
    {
        ".xz" => Xz,
        ".bz2" => Bzip2,
        ".zst" => Zstd,
        ".gz" => Gzip,
        ".br" => Brotli,
        _ => null,
    };

    /// <summary>The suffix by which a file's name says how it is compressed; empty for none and for gzip, as Nix has it, and for what is not known.</summary>
    /// <param name="compression">The name of the compression.</param>
    public static string ToSuffix(string compression) => compression switch
    {
        Xz => ".xz",
        Bzip2 => ".bz2",
        Zstd => ".zst",
        Brotli => ".br",
        _ => "",
    };

    /// <summary>What the first bytes of a file say.</summary>
    /// <param name="start">The first bytes, <see cref="DetectLength"/> of them unless the file is shorter.</param>
    /// <returns>The name of the compression; <see langword="null"/> when it is none of those that can be told, as Brotli cannot.</returns>
    public static string? Detect(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0"u8))
        {
            return None;
        }

        return start switch
        {
            [0x1f, 0x8b, ..] => Gzip,
            [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] => Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Zstd,
            [(byte)'B', (byte)'Z', (byte)'h', ..] => Bzip2,
            _ => null,
        };
    }

    /// <summary>Reads what is compressed in a file. Where the format allows several parts one after the other, all are read.</summary>
    /// <param name="file">The file.</param>
    /// <param name="compression">The name of the compression.</param>
    /// <param name="leaveOpen">Whether <paramref name="file"/> stays open when the returned stream is disposed.</param>
    /// <returns>
    /// A stream that is read once from start to end, which the caller disposes; <paramref name="file"/> itself when it is not compressed. A read throws
    /// <see cref="InvalidDataException"/> for what is damaged or was not compressed so. Holds at most 256 MiB, and far less for what Nix makes.
    /// </returns>
    /// <exception cref="NotSupportedException">The compression is not known.</exception>
    /// <exception cref="PlatformNotSupportedException">A library that it needs is not on this machine.</exception>
    public static Stream OpenRead(Stream file, string compression, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(compression);
        return compression switch
        {
            None => file,
            Xz => new DecoderStream(file, new XzDecoder(), leaveOpen),
            Bzip2 => new DecoderStream(file, new Bzip2Decoder(), leaveOpen),
            Zstd => new ZstdDecompressionStream(file, leaveOpen),
            Gzip => new GZipStream(file, CompressionMode.Decompress, leaveOpen),
            Brotli => new DecoderStream(file, new BrotliStreamDecoder(), leaveOpen),
            _ => throw new NotSupportedException($"NARs that are compressed as '{compression}' cannot be read."),
        };
    }

    /// <summary>Whether NARs can be compressed so, or left as they are, which says nothing about libraries that it needs.</summary>
    public static bool CanWrite(string compression) => compression is None or Xz or Zstd or Gzip or Brotli;

    /// <summary>Compresses what is written.</summary>
    /// <param name="file">Where it goes. It stays open.</param>
    /// <param name="compression">The name of the compression, not none.</param>
    /// <param name="fastest">Whether to take as little time as possible, whatever the size.</param>
    /// <returns>A stream that is written from start to end and disposed, after which the file is complete.</returns>
    /// <exception cref="NotSupportedException">The compression is not known, or can only be read.</exception>
    /// <exception cref="PlatformNotSupportedException">A library that it needs is not on this machine.</exception>
    public static Stream OpenWrite(Stream file, string compression, bool fastest = false)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(compression);
        return compression switch
        {
            Xz => new XzCompressionStream(file, fastest ? XzCompressionStream.FastestLevel : XzCompressionStream.DefaultLevel),
            Zstd => new ZstdCompressionStream(file, fastest ? Castore.Compression.Zstd.MinLevel : Castore.Compression.Zstd.DefaultLevel, leaveOpen: true),
            Gzip => new GZipStream(file, fastest ? CompressionLevel.Fastest : CompressionLevel.Optimal, leaveOpen: true),
            Brotli => new BrotliStream(file, new BrotliCompressionOptions { Quality = fastest ? 0 : BrotliQuality }, leaveOpen: true),
            _ => throw new NotSupportedException($"NARs cannot be compressed as '{compression}'."),
        };
    }
}
