using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Tvix.Castore.Blake3;

/// <summary>The compression function of BLAKE3 in its several widths, and the choice between them.</summary>
/// <remarks>
/// <para>Lane kernels compress blocks of 4, 8 or 16 messages side by side, one message to a lane of the registers, so that a register
/// holds the same word of every message. Row kernels compress one message, with the four words of a row in a register.</para>
/// <para>Pointers need no alignment. The vector kernels read words as they lie in memory, so they are for little-endian machines, as
/// all with these instructions are that .NET runs on; the scalar kernel is for any.</para>
/// </remarks>
internal static unsafe partial class Blake3Kernels
{
    public const int BlockSize = 64;
    public const int ChunkSize = 1024;
    public const int ChainingValueSize = 32;

    public const uint ChunkStart = 1;
    public const uint ChunkEnd = 2;
    public const uint Parent = 4;
    public const uint Root = 8;

    /// <summary>The most messages that are compressed side by side.</summary>
    public const int MaxLanes = 16;

    /// <summary>Words of memory for each lane, see <see cref="CompressLanes"/>.</summary>
    public const int WordsPerLane = 12;

    private const int CounterLowWord = 8;
    private const int CounterHighWord = 9;
    private const int LengthWord = 10;
    private const int FlagsWord = 11;

    /// <summary>How far ahead of the block being compressed each stream is fetched, in bytes.</summary>
    private const int PrefetchDistance = 256;

    /// <summary>The chaining value that every chunk and every parent starts from; the first half also fills a part of each state.</summary>
    public static ReadOnlySpan<uint> InitialValue =>
        [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19];

    /// <summary>Whether the 16 lanes, the 8 lanes of 32 registers and the rows of AVX-512 may be used.</summary>
    public static bool HasAvx512 => Avx512F.IsSupported && Avx512F.VL.IsSupported;

    /// <summary>Whether the 8 lanes and the rows of AVX2 may be used.</summary>
    public static bool HasAvx2 => Avx2.IsSupported;

    /// <summary>Whether the portable 4 lanes and rows may be used.</summary>
    public static bool HasVector128 =>
        BitConverter.IsLittleEndian && Vector128.IsHardwareAccelerated && (Ssse3.IsSupported || AdvSimd.Arm64.IsSupported);

    /// <summary>The width of the kernel that is best for so many messages side by side; 1 when there is none.</summary>
    public static int LanesFor(nuint messages)
    {
        if (messages <= 1)
        {
            return 1;
        }

        if (HasAvx512)
        {
            return messages <= 4 ? 4 : messages <= 8 ? 8 : 16;
        }

        return HasAvx2 ? 8 : HasVector128 ? 4 : 1;
    }

    /// <summary>Compresses consecutive blocks of several messages side by side.</summary>
    /// <param name="width">How many: 4, 8 or 16.</param>
    /// <param name="lanes">12 times <paramref name="width"/> words, word <c>i</c> of all messages together: 8 words of chaining value
    /// (read and overwritten), the counter's low and high word, and the length and the flags of the last block.</param>
    /// <param name="inputs">The messages.</param>
    /// <param name="offset">Where in each of them to begin.</param>
    /// <param name="blocks">How many blocks of each. All but the last have 64 bytes.</param>
    /// <param name="firstFlags">Flags of the first block of each.</param>
    public static void CompressLanes(int width, uint* lanes, byte** inputs, nuint offset, nuint blocks, uint firstFlags)
    {
        if (width == 16)
        {
            Compress16(lanes, inputs, offset, blocks, firstFlags);
        }
        else if (width == 8)
        {
            if (HasAvx512)
            {
                Compress8Vl(lanes, inputs, offset, blocks, firstFlags);
            }
            else
            {
                Compress8(lanes, inputs, offset, blocks, firstFlags);
            }
        }
        else if (HasAvx512)
        {
            Compress4Rows(lanes, inputs, offset, blocks, firstFlags);
        }
        else
        {
            Compress4(lanes, inputs, offset, blocks, firstFlags);
        }
    }

    /// <summary>Writes the chaining values of all lanes, 32 bytes each.</summary>
    public static void StoreRows(int width, uint* lanes, byte* output)
    {
        if (width == 16)
        {
            StoreRows16(lanes, output);
        }
        else if (width == 8)
        {
            StoreRows8(lanes, output);
        }
        else
        {
            StoreRows4(lanes, output);
        }
    }

    /// <summary>Compresses consecutive blocks of one message.</summary>
    /// <param name="cv">8 words, or null for the initial value.</param>
    /// <param name="input">The blocks, the last one padded with zeros.</param>
    /// <param name="blocks">How many, at least 1.</param>
    /// <param name="counter">The index of the chunk; 0 for parents and roots.</param>
    /// <param name="firstFlags">Flags of the first block.</param>
    /// <param name="lastLength">The bytes of the last block before the padding.</param>
    /// <param name="lastFlags">Flags of the last block.</param>
    /// <param name="output">Receives 8 words; may be <paramref name="cv"/>, or in the input.</param>
    public static void Compress(
        uint* cv, byte* input, nuint blocks, ulong counter, uint firstFlags, uint lastLength, uint lastFlags, uint* output)
    {
        if (HasAvx512)
        {
            CompressRowsAvx512(cv, input, blocks, counter, firstFlags, lastLength, lastFlags, output);
        }
        else if (HasAvx2)
        {
            CompressRowsAvx2(cv, input, blocks, counter, firstFlags, lastLength, lastFlags, output);
        }
        else if (HasVector128)
        {
            CompressRowsVector128(cv, input, blocks, counter, firstFlags, lastLength, lastFlags, output);
        }
        else
        {
            CompressScalar(cv, input, blocks, counter, firstFlags, lastLength, lastFlags, output);
        }
    }
}
