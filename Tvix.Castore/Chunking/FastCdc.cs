using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tvix.Castore.Chunking;

/// <summary>
/// Content-defined chunking: finds where to cut a blob, from its bytes alone, so that equal stretches of different blobs become equal
/// chunks. This is FastCDC in its 2020 variant with normalisation level 1.
/// </summary>
/// <remarks>
/// <code>
/// hash = 0; the first min bytes (rounded down to even) are skipped
/// for each pair of bytes:  hash = (hash &lt;&lt; 1) + G[byte]; a match of the mask before either byte ends the chunk before that byte
/// the mask is harder to match before the average size than after it; at max bytes the chunk ends in any case
/// </code>
/// Source: W. Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems" (2020); spec: castore
/// §3.7. Thread-safe.
/// </remarks>
public static partial class FastCdc
{
    private const int HashWindow = 64; // an older byte has been shifted out

    /// <summary>The length of the first chunk of some data.</summary>
    /// <param name="window">
    /// The data from the start of the chunk on: at least <see cref="ChunkingParameters.MaxSize"/> bytes, or all there are. With less, the
    /// answer would depend on how the data arrived. Bytes beyond the greatest size are not looked at.
    /// </param>
    /// <param name="parameters">The sizes.</param>
    /// <returns>
    /// The length in bytes, 1 to <see cref="ChunkingParameters.MaxSize"/>; 0 for an empty window only.
    /// </returns>
    public static int Cut(ReadOnlySpan<byte> window, ChunkingParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        int searched = 0;
        int cut = Search(window, parameters, ref searched);
        return cut < 0 ? Math.Min(window.Length, parameters.MaxSize) : cut;
    }

    /// <summary>The length of the first chunk, where that depends on bytes that are there; -1 when there is no match in them.</summary>
    /// <param name="window">The data from the start of the chunk on, of any length.</param>
    /// <param name="parameters">The sizes.</param>
    /// <param name="searched">How much of the window is known to have no match: 0 in the beginning, and what the last call made of it when the window has grown.</param>
    internal static int Search(ReadOnlySpan<byte> window, ChunkingParameters parameters, ref int searched)
    {
        // Bytes are taken in pairs; with an odd length the last byte is not looked at.
        int end = Math.Min(window.Length, parameters.MaxSize) & ~1;
        int skipped = parameters.MinSize & ~1;
        int start = Math.Max(searched - skipped, 0);
        searched = end;
        if (end <= skipped)
        {
            return -1;
        }

        ReadOnlySpan<byte> data = window[skipped..end]; // the hash begins there
        int centre = (Math.Min(parameters.AverageSize, end) & ~1) - skipped;
        int cut = -1;
        if (start < centre)
        {
            cut = Find(data[..centre], start, parameters.MaskBeforeCentre);
            start = centre;
        }

        if (cut < 0)
        {
            cut = Find(data, start, parameters.MaskAfterCentre);
        }

        return cut < 0 ? -1 : skipped + cut;
    }

    /// <summary>The first position from <paramref name="start"/> on whose hash has none of the mask's bits; -1 when there is none.</summary>
    private static int Find(ReadOnlySpan<byte> data, int start, ulong mask)
    {
        if (CanFilter(mask) && data.Length - start >= BlockLength + LaneWindow)
        {
            if (start < LaneWindow)
            {
                int cut = FindOneByOne(data[..LaneWindow], start, mask);
                if (cut >= 0)
                {
                    return cut;
                }

                start = LaneWindow;
            }

            for (; start + BlockLength <= data.Length; start += BlockLength)
            {
                int cut = FindInBlock(data, start, mask);
                if (cut >= 0)
                {
                    return start + cut;
                }
            }
        }

        return FindOneByOne(data, start, mask);
    }

    /// <summary>The hash before a position: of the 64 bytes there, or of all when they are fewer.</summary>
    private static ulong HashBefore(ReadOnlySpan<byte> data, int position)
    {
        ulong hash = 0;
        foreach (byte b in data[Math.Max(0, position - HashWindow)..position])
        {
            hash = (hash << 1) + GearTable.Gear[b];
        }

        return hash;
    }

    /// <remarks>
    /// The published algorithm takes two bytes per step with a second table and mask, both shifted left by one. No mask has its top bit
    /// set, so comparing the unshifted values is the same, and the step can be of any number of bytes: four here.
    /// </remarks>
    private static int FindOneByOne(ReadOnlySpan<byte> data, int start, ulong mask)
    {
        ref byte bytes = ref MemoryMarshal.GetReference(data);
        ref ulong gear = ref MemoryMarshal.GetReference(GearTable.Gear);
        ulong h = HashBefore(data, start);
        nint i = start;
        nint end = data.Length;
        for (; i <= end - 4; i += 4)
        {
            // The sums of table entries do not depend on the hash, so a step waits for the step before with one shift and one addition.
            ulong sum1 = Unsafe.Add(ref gear, (nint)Unsafe.Add(ref bytes, i));
            ulong sum2 = Unsafe.Add(ref gear, (nint)Unsafe.Add(ref bytes, i + 1)) + (sum1 << 1);
            ulong sum3 = Unsafe.Add(ref gear, (nint)Unsafe.Add(ref bytes, i + 2)) + (sum2 << 1);
            ulong sum4 = Unsafe.Add(ref gear, (nint)Unsafe.Add(ref bytes, i + 3)) + (sum3 << 1);
            if (((sum1 + (h << 1)) & mask) == 0)
            {
                return (int)i;
            }

            if (((sum2 + (h << 2)) & mask) == 0)
            {
                return (int)i + 1;
            }

            if (((sum3 + (h << 3)) & mask) == 0)
            {
                return (int)i + 2;
            }

            h = sum4 + (h << 4);
            if ((h & mask) == 0)
            {
                return (int)i + 3;
            }
        }

        for (; i < end; i++)
        {
            h = Unsafe.Add(ref gear, (nint)Unsafe.Add(ref bytes, i)) + (h << 1);
            if ((h & mask) == 0)
            {
                return (int)i;
            }
        }

        return -1;
    }
}
