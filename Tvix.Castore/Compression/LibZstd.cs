using System.Reflection;
using System.Runtime.InteropServices;

namespace Tvix.Castore.Compression;

/// <summary>
/// The functions of the system's libzstd that we use, as typed wrappers that throw. Nothing here may be called before
/// <see cref="ThrowIfAbsent"/>.
/// </summary>
/// <remarks>Source: the manual of zstd 1.4, the stable part of its interface.</remarks>
internal static unsafe partial class LibZstd
{
    public const int ContinueDirective = 0;
    public const int FlushDirective = 1;
    public const int EndDirective = 2;

    private const string Library = "libzstd";

    // The first version whose streaming interface with parameters is stable.
    private const uint MinVersion = 10400;

    private const int ErrorMemoryAllocation = 64;
    private const int ErrorDestinationTooSmall = 70;
    private const int ErrorSourceSizeWrong = 72;
    private const int ParameterCompressionLevel = 100;
    private const int ResetSession = 1;
    private const int ResetSessionAndParameters = 3;
    private const ulong ContentSizeUnknown = ulong.MaxValue;
    private const ulong ContentSizeError = ulong.MaxValue - 1;

    private static readonly Lazy<bool> s_available = new(Load);

    /// <summary>Whether the library was found and is recent enough.</summary>
    public static bool IsAvailable => !SimulateAbsence && s_available.Value;

    /// <summary>For tests: behave as on a machine without the library.</summary>
    public static bool SimulateAbsence { get; set; }

    /// <summary>Checks that the functions can be called.</summary>
    /// <exception cref="PlatformNotSupportedException">The library is not there.</exception>
    public static void ThrowIfAbsent()
    {
        if (!IsAvailable)
        {
            throw new PlatformNotSupportedException(
                "Zstandard compression needs the native library libzstd, version 1.4 or later, and the system's loader does not find it " +
                $"(tried {string.Join(", ", FileNames)}). Install the package libzstd1 (Debian, Ubuntu), libzstd (Fedora), zstd-libs " +
                "(Alpine) or zstd (Arch, Homebrew), or put the library where the loader looks for it.");
        }
    }

    public static ZstdCompressor CreateCompressor()
    {
        nint context = CreateCCtx();
        return context == 0
            ? throw new OutOfMemoryException("libzstd could not allocate a compression context.")
            : new ZstdCompressor(context);
    }

    public static ZstdDecompressor CreateDecompressor()
    {
        nint context = CreateDCtx();
        return context == 0
            ? throw new OutOfMemoryException("libzstd could not allocate a decompression context.")
            : new ZstdDecompressor(context);
    }

    /// <summary>Frees a context; only for the handles themselves.</summary>
    public static void Free(nint context, bool compressor) => _ = compressor ? FreeCCtx(context) : FreeDCtx(context);

    /// <summary>The most bytes that compressing can give; no limit applies to the argument.</summary>
    public static ulong CompressBound(int length) => CompressBound((nuint)length);

    /// <summary>Makes one frame; <see langword="false"/> when it does not fit.</summary>
    public static bool TryCompress(ZstdCompressor compressor, ReadOnlySpan<byte> source, Span<byte> destination, int level, out int written)
    {
        nuint result;
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            result = CompressCCtx(compressor, to, (nuint)destination.Length, from, (nuint)source.Length, level);
        }

        return Succeeded(result, out written);
    }

    /// <summary>Decodes any number of frames; <see langword="false"/> when their contents do not fit.</summary>
    /// <exception cref="InvalidDataException">They are damaged or truncated.</exception>
    public static bool TryDecompress(ZstdDecompressor decompressor, ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        nuint result;
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            result = DecompressDCtx(decompressor, to, (nuint)destination.Length, from, (nuint)source.Length);
        }

        return Succeeded(result, out written);
    }

    /// <summary>The length of the contents that the first frame declares; <see langword="null"/> when it declares none.</summary>
    /// <exception cref="InvalidDataException">There is no frame, or its header is damaged or truncated.</exception>
    public static ulong? GetContentLength(ReadOnlySpan<byte> source)
    {
        ulong size;
        fixed (byte* from = source)
        {
            size = GetFrameContentSize(from, (nuint)source.Length);
        }

        return size switch
        {
            ContentSizeUnknown => null,
            ContentSizeError => throw new InvalidDataException("The data does not start with a complete zstd frame header."),
            _ => size,
        };
    }

    /// <summary>The length of the first frame itself, found without decoding it.</summary>
    /// <exception cref="InvalidDataException">There is no complete frame.</exception>
    public static int GetFrameLength(ReadOnlySpan<byte> source)
    {
        fixed (byte* from = source)
        {
            return (int)Check(FindFrameCompressedSize(from, (nuint)source.Length));
        }
    }

    /// <summary>Prepares for a new stream.</summary>
    public static void Reset(ZstdCompressor compressor, int level)
    {
        Check(ResetCCtx(compressor, ResetSessionAndParameters));
        Check(SetCCtxParameter(compressor, ParameterCompressionLevel, level));
    }

    /// <summary>Prepares for a new stream.</summary>
    public static void Reset(ZstdDecompressor decompressor) => Check(ResetDCtx(decompressor, ResetSession));

    /// <summary>Takes and gives as much as possible.</summary>
    /// <returns>How many bytes, at least, wait to be given; 0 when all that the directive asks for is done.</returns>
    public static nuint Compress(
        ZstdCompressor compressor, ReadOnlySpan<byte> source, Span<byte> destination, int directive, out int consumed, out int written)
    {
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            Buffer input = new(from, source.Length);
            Buffer output = new(to, destination.Length);
            nuint result = Check(CompressStream2(compressor, &output, &input, directive));
            consumed = (int)input.Position;
            written = (int)output.Position;
            return result;
        }
    }

    /// <summary>Takes and gives as much as possible.</summary>
    /// <returns>0 when a frame ended and all of it was given; otherwise something else.</returns>
    /// <exception cref="InvalidDataException">The data is damaged.</exception>
    public static nuint Decompress(
        ZstdDecompressor decompressor, ReadOnlySpan<byte> source, Span<byte> destination, out int consumed, out int written)
    {
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            Buffer input = new(from, source.Length);
            Buffer output = new(to, destination.Length);
            nuint result = Check(DecompressStream(decompressor, &output, &input));
            consumed = (int)input.Position;
            written = (int)output.Position;
            return result;
        }
    }

    private static string[] FileNames =>
        OperatingSystem.IsWindows() ? ["libzstd.dll", "zstd.dll"]
        : OperatingSystem.IsMacOS() ? ["libzstd.1.dylib", "libzstd.dylib"]
        : ["libzstd.so.1", "libzstd.so"];

    private static bool Load()
    {
        const DllImportSearchPath search = DllImportSearchPath.SafeDirectories | DllImportSearchPath.AssemblyDirectory;
        Assembly assembly = typeof(LibZstd).Assembly;
        foreach (string name in FileNames)
        {
            if (NativeLibrary.TryLoad(name, assembly, search, out nint handle))
            {
                // The loader of most systems needs the version in the name, which an import's name cannot have on all systems at once.
                NativeLibrary.SetDllImportResolver(assembly, (library, _, _) => library == Library ? handle : 0);
                return VersionNumber() >= MinVersion;
            }
        }

        return false;
    }

    private static bool Succeeded(nuint result, out int written)
    {
        bool fits = IsError(result) == 0 || GetErrorCode(result) != ErrorDestinationTooSmall;
        written = fits ? (int)Check(result) : 0;
        return fits;
    }

    private static nuint Check(nuint result)
    {
        if (IsError(result) == 0)
        {
            return result;
        }

        throw GetErrorCode(result) switch
        {
            ErrorMemoryAllocation => new OutOfMemoryException("libzstd could not allocate memory."),
            ErrorSourceSizeWrong => new InvalidDataException("The zstd data is truncated."),
            _ => new InvalidDataException($"The zstd data is damaged: {Marshal.PtrToStringUTF8(GetErrorName(result))}."),
        };
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Buffer(byte* start, int length)
    {
        public byte* Start = start;
        public nuint Length = (nuint)length;
        public nuint Position;
    }

    [LibraryImport(Library, EntryPoint = "ZSTD_versionNumber")]
    private static partial uint VersionNumber();

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorCode")]
    private static partial int GetErrorCode(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint GetErrorName(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressBound")]
    private static partial nuint CompressBound(nuint length);

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    private static partial nint CreateCCtx();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    private static partial nuint FreeCCtx(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    private static partial nint CreateDCtx();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    private static partial nuint FreeDCtx(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressCCtx")]
    private static partial nuint CompressCCtx(
        ZstdCompressor context, byte* destination, nuint destinationLength, byte* source, nuint sourceLength, int level);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressDCtx")]
    private static partial nuint DecompressDCtx(
        ZstdDecompressor context, byte* destination, nuint destinationLength, byte* source, nuint sourceLength);

    [LibraryImport(Library, EntryPoint = "ZSTD_getFrameContentSize")]
    private static partial ulong GetFrameContentSize(byte* source, nuint sourceLength);

    [LibraryImport(Library, EntryPoint = "ZSTD_findFrameCompressedSize")]
    private static partial nuint FindFrameCompressedSize(byte* source, nuint sourceLength);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_reset")]
    private static partial nuint ResetCCtx(ZstdCompressor context, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
    private static partial nuint SetCCtxParameter(ZstdCompressor context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressStream2")]
    private static partial nuint CompressStream2(ZstdCompressor context, Buffer* output, Buffer* input, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_reset")]
    private static partial nuint ResetDCtx(ZstdDecompressor context, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    private static partial nuint DecompressStream(ZstdDecompressor context, Buffer* output, Buffer* input);
}
