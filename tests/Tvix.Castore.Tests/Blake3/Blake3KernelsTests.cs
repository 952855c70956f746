using NUnit.Framework;
using Tvix.Castore.Blake3;

namespace Tvix.Castore.Tests.Blake3;

/// <summary>Each kernel that this CPU has, against the scalar one. CI runs these with instruction sets switched off as well.</summary>
[TestFixture]
public sealed unsafe class Blake3KernelsTests
{
    private delegate void LaneKernel(uint* lanes, byte** inputs, nuint offset, nuint blocks, uint firstFlags);

    private delegate void RowKernel(uint* cv, byte* input, nuint blocks, ulong counter, uint firstFlags, uint lastLength, uint lastFlags, uint* output);

    private static readonly ulong[] Counters = [0, 1, 0xFFFF_FFF0, 0xFFFF_FFFF, 0x1_0000_0000, 0x1234_5678_9ABC_DEF0, ulong.MaxValue - 40];

    private static List<(string Name, int Width, LaneKernel Kernel)> LaneKernels()
    {
        List<(string, int, LaneKernel)> kernels = [];
        if (Blake3Kernels.HasAvx512)
        {
            kernels.Add(("Compress16", 16, Blake3Kernels.Compress16));
            kernels.Add(("Compress8Vl", 8, Blake3Kernels.Compress8Vl));
            kernels.Add(("Compress4Rows", 4, Blake3Kernels.Compress4Rows));
        }

        if (Blake3Kernels.HasAvx2)
        {
            kernels.Add(("Compress8", 8, Blake3Kernels.Compress8));
        }

        if (Blake3Kernels.HasVector128)
        {
            kernels.Add(("Compress4", 4, Blake3Kernels.Compress4));
        }

        return kernels;
    }

    private static List<(string Name, RowKernel Kernel)> RowKernels()
    {
        List<(string, RowKernel)> kernels = [("CompressScalar", Blake3Kernels.CompressScalar)];
        if (Blake3Kernels.HasAvx512)
        {
            kernels.Add(("CompressRowsAvx512", Blake3Kernels.CompressRowsAvx512));
        }

        if (Blake3Kernels.HasAvx2)
        {
            kernels.Add(("CompressRowsAvx2", Blake3Kernels.CompressRowsAvx2));
        }

        if (Blake3Kernels.HasVector128)
        {
            kernels.Add(("CompressRowsVector128", Blake3Kernels.CompressRowsVector128));
        }

        return kernels;
    }

    [Test]
    public void LanesFor_AnyCount_IsAWidthThatHasAKernel([Values(1, 2, 4, 5, 8, 9, 16, 1000)] int messages)
    {
        int width = Blake3Kernels.LanesFor((nuint)messages);
        int[] widths = [1, .. LaneKernels().Select(k => k.Width)];
        Assert.That(widths, Does.Contain(width));
        Assert.That(width == 1, Is.EqualTo(messages == 1 || widths.Length == 1));
    }

    [Test]
    public void LaneKernel_AnyBlocksCountersLengthsAndFlags_EqualsScalar([Range(1, 16)] int blocks)
    {
        Random random = new(blocks);
        byte[] data = RandomBytes(random, (16 * 1024) + 64);
        byte** inputs = stackalloc byte*[Blake3Kernels.MaxLanes];
        foreach ((string name, int width, LaneKernel kernel) in LaneKernels())
        {
            for (int trial = 0; trial < 20; trial++)
            {
                uint[] lanes = RandomWords(random, width * Blake3Kernels.WordsPerLane);
                uint firstFlags = (uint)random.Next(16);
                int offset = random.Next(2) * 64;
                uint[][] expected = new uint[width][];
                int[] starts = new int[width];
                for (int i = 0; i < width; i++)
                {
                    starts[i] = random.Next(data.Length - 64 - (64 * blocks));
                    lanes[(10 * width) + i] = (uint)random.Next(65);
                    expected[i] = Enumerable.Range(0, 8).Select(w => lanes[(w * width) + i]).ToArray();
                    ulong counter = lanes[(8 * width) + i] | ((ulong)lanes[(9 * width) + i] << 32);
                    for (int b = 0; b < blocks; b++)
                    {
                        bool last = b == blocks - 1;
                        Blake3Kernels.CompressScalar(
                            expected[i],
                            data.AsSpan(starts[i] + offset + (64 * b), 64),
                            counter,
                            last ? lanes[(10 * width) + i] : 64,
                            (b == 0 ? firstFlags : 0) | (last ? lanes[(11 * width) + i] : 0));
                    }
                }

                fixed (byte* input = data)
                fixed (uint* state = lanes)
                {
                    for (int i = 0; i < width; i++)
                    {
                        inputs[i] = input + starts[i];
                    }

                    kernel(state, inputs, (nuint)offset, (nuint)blocks, firstFlags);
                }

                for (int i = 0; i < width; i++)
                {
                    uint[] actual = Enumerable.Range(0, 8).Select(w => lanes[(w * width) + i]).ToArray();
                    Assert.That(actual, Is.EqualTo(expected[i]), $"{name}, lane {i}");
                }
            }
        }
    }

    [Test]
    public void RowKernel_AnyBlocksCountersLengthsAndFlags_EqualsScalar([Range(1, 16)] int blocks)
    {
        Random random = new(blocks);
        byte[] data = RandomBytes(random, 1024);
        foreach ((string name, RowKernel kernel) in RowKernels())
        {
            foreach (ulong counter in Counters)
            {
                uint[] actual = RandomWords(random, 8);
                uint[] expected = [.. actual];
                uint firstFlags = (uint)random.Next(16), lastFlags = (uint)random.Next(16), lastLength = (uint)random.Next(65);
                for (int b = 0; b < blocks; b++)
                {
                    bool last = b == blocks - 1;
                    uint flags = (b == 0 ? firstFlags : 0) | (last ? lastFlags : 0);
                    Blake3Kernels.CompressScalar(expected, data.AsSpan(64 * b, 64), counter, last ? lastLength : 64, flags);
                }

                fixed (byte* input = data)
                fixed (uint* cv = actual)
                {
                    kernel(cv, input, (nuint)blocks, counter, firstFlags, lastLength, lastFlags, cv);
                }

                Assert.That(actual, Is.EqualTo(expected), name);
            }
        }
    }

    [Test]
    public void RowKernel_WithoutAChainingValue_StartsFromTheInitialValue()
    {
        byte[] data = RandomBytes(new Random(1), 64);
        foreach ((string name, RowKernel kernel) in RowKernels())
        {
            uint[] expected = Blake3Kernels.InitialValue.ToArray(), actual = new uint[8];
            Blake3Kernels.CompressScalar(expected, data, 3, 64, 11);
            fixed (byte* input = data)
            fixed (uint* output = actual)
            {
                kernel(null, input, 1, 3, 1, 64, 10, output);
            }

            Assert.That(actual, Is.EqualTo(expected), name);
        }
    }

    [Test]
    public void HashChunks_AFew_WritesNothingBehindTheirValues([Range(1, 9)] int chunks)
    {
        byte[] data = RandomBytes(new Random(chunks), chunks * 1024);
        byte[] cvs = new byte[(chunks + 1) * 32];
        cvs.AsSpan(chunks * 32).Fill(0xA5);
        fixed (byte* input = data, output = cvs)
        {
            Blake3Kernels.HashChunks(input, (nuint)data.Length, 0, output);
        }

        Assert.That(cvs.AsSpan(chunks * 32).ToArray(), Is.All.EqualTo(0xA5));
    }

    [Test]
    public void StoreRows_AnyWidth_WritesTheWordsOfEachLane()
    {
        foreach ((string name, int width, LaneKernel _) in LaneKernels())
        {
            uint[] lanes = RandomWords(new Random(width), width * Blake3Kernels.WordsPerLane);
            byte[] rows = new byte[width * 32];
            fixed (uint* state = lanes)
            fixed (byte* output = rows)
            {
                Blake3Kernels.StoreRows(width, state, output);
            }

            for (int i = 0; i < width * 8; i++)
            {
                Assert.That(BitConverter.ToUInt32(rows, 4 * i), Is.EqualTo(lanes[(i % 8 * width) + (i / 8)]), name);
            }
        }
    }

    [Test]
    public void HashChunks_AnyCountAndCounter_EqualsScalar([Range(1, 40)] int chunks)
    {
        Random random = new(chunks);
        byte[] data = RandomBytes(random, chunks * 1024);
        byte[] cvs = new byte[chunks * 32];
        foreach (ulong counter in Counters)
        {
            foreach (int cut in new[] { 0, 1, 63, 64, 512, 960, 1023 })
            {
                int length = data.Length - cut;
                fixed (byte* input = data, output = cvs)
                {
                    Blake3Kernels.HashChunks(input, (nuint)length, counter, output);
                }

                for (int i = 0; i < chunks; i++)
                {
                    byte[] expected = ReferenceBlake3.ChainingValue(
                        data.AsSpan(1024 * i, Math.Min(1024, length - (1024 * i))), unchecked(counter + (ulong)i));
                    Assert.That(cvs.AsSpan(32 * i, 32).SequenceEqual(expected), $"chunk {i} of {chunks}, counter {counter}, {cut} bytes short");
                }
            }
        }
    }

    [Test]
    public void HashParents_InPlace_EqualsScalar([Range(1, 40)] int parents)
    {
        byte[] cvs = RandomBytes(new Random(parents), parents * 64);
        uint[][] expected = new uint[parents][];
        for (int i = 0; i < parents; i++)
        {
            expected[i] = Blake3Kernels.InitialValue.ToArray();
            Blake3Kernels.CompressScalar(expected[i], cvs.AsSpan(64 * i, 64), 0, 64, Blake3Kernels.Parent);
        }

        fixed (byte* row = cvs)
        {
            Blake3Kernels.HashParents(row, (nuint)parents, row);
        }

        for (int i = 0; i < parents * 8; i++)
        {
            Assert.That(BitConverter.ToUInt32(cvs, 4 * i), Is.EqualTo(expected[i / 8][i % 8]), $"parent {i / 8}");
        }
    }

    private static byte[] RandomBytes(Random random, int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    private static uint[] RandomWords(Random random, int count)
    {
        uint[] words = new uint[count];
        random.NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(words.AsSpan()));
        return words;
    }
}
