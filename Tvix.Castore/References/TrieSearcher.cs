using System.Buffers;
using System.Numerics;

namespace Tvix.Castore.References;

/// <summary>Finds any strings, overlapping ones included, in one pass whose time does not depend on them.</summary>
/// <remarks>
/// <code>
/// a node is a prefix of some string; node 0 is the empty one; an edge leads to a prefix that is one byte longer
/// fallback(node) = the longest proper suffix of it that is a node
/// ending(node)   = the string that the node is; next(node) = the nearest fallback that is a string
/// </code>
/// Source: A. Aho, M. Corasick, "Efficient string matching: an aid to bibliographic search" (1975).
/// </remarks>
internal sealed class TrieSearcher : ReferenceSearcher
{
    private const int None = -1;

    private readonly SearchValues<byte> _firstBytes;
    private readonly int[] _fallback;
    private readonly int[] _ending;
    private readonly int[] _next;

    // The edges, by open addressing: node and byte, plus one so that 0 is free; and where it leads.
    private readonly long[] _edgeKeys;
    private readonly int[] _edgeTargets;
    private readonly int _edgeShift;

    public TrieSearcher(List<byte[]> strings)
    {
        int maxNodes = 1 + strings.Sum(s => s.Length);
        int bits = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)maxNodes * 2));
        _edgeShift = 64 - bits;
        _edgeKeys = new long[1 << bits];
        _edgeTargets = new int[1 << bits];
        _firstBytes = SearchValues.Create([.. strings.Select(s => s[0]).Distinct()]);
        List<int> ending = [None];
        List<(int Parent, byte Byte)> origins = [(0, 0)];
        for (int i = 0; i < strings.Count; i++)
        {
            int node = 0;
            foreach (byte b in strings[i])
            {
                int slot = FindSlot(node, b);
                if (_edgeKeys[slot] == 0)
                {
                    _edgeKeys[slot] = Key(node, b);
                    _edgeTargets[slot] = ending.Count;
                    ending.Add(None);
                    origins.Add((node, b));
                }

                node = _edgeTargets[slot];
            }

            ending[node] = i;
        }

        _ending = [.. ending];
        _fallback = new int[_ending.Length];
        _next = new int[_ending.Length];
        Array.Fill(_next, None);
        LinkFallbacks(origins);
    }

    public override Progress Start() => new State(this);

    public override void Scan(ReadOnlySpan<byte> buffer, bool[] found) => Scan(0, buffer, found);

    private static long Key(int node, byte b) => ((long)node << 8) + b + 1;

    /// <summary>Fallbacks lead to shorter prefixes, so nodes are done in the order of their lengths.</summary>
    private void LinkFallbacks(List<(int Parent, byte Byte)> origins)
    {
        int[] depth = new int[origins.Count];
        for (int node = 1; node < depth.Length; node++)
        {
            // A parent was made before its child.
            depth[node] = depth[origins[node].Parent] + 1;
        }

        int[] order = [.. Enumerable.Range(1, depth.Length - 1)];
        Array.Sort([.. order.Select(node => depth[node])], order);
        foreach (int node in order)
        {
            (int parent, byte b) = origins[node];
            int fallback = parent == 0 ? 0 : Step(_fallback[parent], b);
            _fallback[node] = fallback;
            _next[node] = _ending[fallback] != None ? fallback : _next[fallback];
        }
    }

    private int Scan(int node, ReadOnlySpan<byte> buffer, bool[] found)
    {
        for (int i = 0; i < buffer.Length; i++)
        {
            if (node == 0)
            {
                int skip = buffer[i..].IndexOfAny(_firstBytes);
                if (skip < 0)
                {
                    return 0;
                }

                i += skip;
            }

            node = Step(node, buffer[i]);
            int match = _ending[node] != None ? node : _next[node];
            if (match != None && !Volatile.Read(ref found[_ending[match]]))
            {
                Mark(match, found);
            }
        }

        return node;
    }

    /// <summary>
    /// Marks a string and all that it ends with. The chain is at most as long as there are strings, and walked once per string in all.
    /// </summary>
    private void Mark(int match, bool[] found)
    {
        for (int shorter = _next[match]; shorter != None; shorter = _next[shorter])
        {
            Volatile.Write(ref found[_ending[shorter]], true);
        }

        // Last, since this mark tells other scans that the rest is done.
        Volatile.Write(ref found[_ending[match]], true);
    }

    private int Step(int node, byte b)
    {
        while (true)
        {
            int slot = FindSlot(node, b);
            if (_edgeKeys[slot] != 0)
            {
                return _edgeTargets[slot];
            }

            if (node == 0)
            {
                return 0;
            }

            node = _fallback[node];
        }
    }

    private int FindSlot(int node, byte b)
    {
        long key = Key(node, b);
        int slot = (int)(((ulong)key * 0x9e3779b97f4a7c15) >> _edgeShift);
        while (_edgeKeys[slot] != 0 && _edgeKeys[slot] != key)
        {
            slot = (slot + 1) & (_edgeKeys.Length - 1);
        }

        return slot;
    }

    private sealed class State(TrieSearcher searcher) : Progress
    {
        private int _node;

        public override void Append(ReadOnlySpan<byte> piece, bool[] found) => _node = searcher.Scan(_node, piece, found);

        public override void Reset() => _node = 0;
    }
}
