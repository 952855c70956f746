using System.Buffers;

namespace Tvix.Castore.Local;

/// <summary>
/// The order in which to go through many keys of the index. Digests come in no order, and each look-up of its own walks from the root to another leaf; in the order of their keys every page
/// of the tree is met once, so that a cache of a few megabytes is enough however large the tree is.
/// </summary>
internal readonly struct KeyOrder(int count) : IDisposable
{
    private readonly long[] _keys = ArrayPool<long>.Shared.Rent(count);
    private readonly int[] _order = ArrayPool<int>.Shared.Rent(count);

    /// <summary>The keys, to be filled in.</summary>
    public Span<long> Keys => _keys.AsSpan(0, count);

    /// <summary>The places of the keys in ascending order of the keys. Sorts <see cref="Keys"/> with them.</summary>
    public ReadOnlySpan<int> Sort()
    {
        Span<int> order = _order.AsSpan(0, count);
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        Keys.Sort(order);
        return order;
    }

    public void Dispose()
    {
        ArrayPool<long>.Shared.Return(_keys);
        ArrayPool<int>.Shared.Return(_order);
    }
}
