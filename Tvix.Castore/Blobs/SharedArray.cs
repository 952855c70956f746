using System.Buffers;

namespace Tvix.Castore.Blobs;

/// <summary>An array of the shared pool that several hold a part of; the last to let go gives it back. The maker holds it, too.</summary>
internal sealed class SharedArray(int length)
{
    private int _holders = 1;

    public byte[] Array { get; } = ArrayPool<byte>.Shared.Rent(length);

    public void Retain() => Interlocked.Increment(ref _holders);

    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == 0)
        {
            ArrayPool<byte>.Shared.Return(Array);
        }
    }
}
