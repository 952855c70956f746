using System.Runtime.InteropServices;

namespace Tvix.Castore.Compression;

/// <summary>A native decompression context, used by one caller at a time and reused through <see cref="ZstdContextPool{T}"/>.</summary>
internal sealed class ZstdDecompressor : SafeHandle
{
    public ZstdDecompressor(nint context)
        : base(0, ownsHandle: true) => SetHandle(context);

    public static ZstdContextPool<ZstdDecompressor> Pool { get; } = new(LibZstd.CreateDecompressor);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        LibZstd.Free(handle, compressor: false);
        return true;
    }
}
