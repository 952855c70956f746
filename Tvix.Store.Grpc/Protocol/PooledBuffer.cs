using System.Buffers;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>A buffer that grows, in an array of the pool.</summary>
internal sealed class PooledBuffer : IBufferWriter<byte>, IDisposable
{
    private const int Smallest = 256;

    private byte[] _array = [];

    public int WrittenCount { get; private set; }

    public ReadOnlyMemory<byte> WrittenMemory => _array.AsMemory(0, WrittenCount);

    public void Clear() => WrittenCount = 0;

    /// <summary>The part of what was written that begins at a place, to be filled in later.</summary>
    public Span<byte> Written(int start, int length) => _array.AsSpan(start, length);

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _array.Length - WrittenCount);
        WrittenCount += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Grow(sizeHint);
        return _array.AsMemory(WrittenCount);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Grow(sizeHint);
        return _array.AsSpan(WrittenCount);
    }

    /// <summary>Lets go of the array without giving it back: someone else may still read it.</summary>
    public void Abandon()
    {
        _array = [];
        WrittenCount = 0;
    }

    public void Dispose()
    {
        byte[] array = _array;
        _array = [];
        WrittenCount = 0;
        if (array.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    private void Grow(int sizeHint)
    {
        int needed = WrittenCount + Math.Max(1, sizeHint);
        if (needed <= _array.Length)
        {
            return;
        }

        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(Smallest, Math.Max(needed, checked(WrittenCount * 2))));
        _array.AsSpan(0, WrittenCount).CopyTo(larger);
        byte[] smaller = _array;
        _array = larger;
        if (smaller.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(smaller);
        }
    }
}
