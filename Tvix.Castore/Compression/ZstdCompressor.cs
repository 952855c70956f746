using System.Runtime.InteropServices;

namespace Tvix.Castore.Compression;

/// <summary>A native compression context, used by one caller at a time and reused through <see cref="ZstdContextPool{T}"/>.</summary>
internal sealed class ZstdCompressor : SafeHandle
{
    // At level 12 a context is some 30 MB large, at the greatest several hundred.
    private const int MaxKeptLevel = 12;

    public ZstdCompressor(nint context)
        : base(0, ownsHandle: true) => SetHandle(context);

    public static ZstdContextPool<ZstdCompressor> Pool { get; } = new(LibZstd.CreateCompressor);

    /// <summary>Gives a compressor back that was used at <paramref name="level"/>.</summary>
    public static void Return(ZstdCompressor compressor, int level) => Pool.Return(compressor, keep: level <= MaxKeptLevel);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        LibZstd.Free(handle, compressor: true);
        return true;
    }
}
