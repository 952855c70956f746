using NUnit.Framework;
using Tvix.Castore.Chunking;

namespace Tvix.Castore.Tests.Chunking;

[TestFixture]
public sealed class ChunkSplitterTests
{
    private static readonly ChunkingParameters s_small = ChunkingParameters.FromAverage(512);

    [FsCheck.NUnit.Property(MaxTest = 300, Replay = "(20241122,7)")]
    public bool TryNext_AnyPieces_GivesTheSameChunksAsOnePiece(uint seed, ushort length, ushort[] pieces)
    {
        byte[] data = TestData.Lcg(seed, length);
        List<byte[]> expected = Split(data, [data.Length]);
        List<byte[]> actual = Split(data, pieces.Select(p => p % 3000));
        return expected.Count == actual.Count
            && expected.Zip(actual).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second))
            && actual.SelectMany(chunk => chunk).SequenceEqual(data)
            && actual.SkipLast(1).All(chunk => chunk.Length >= s_small.MinSize && chunk.Length <= s_small.MaxSize)
            && actual.All(chunk => chunk.Length > 0 && chunk.Length <= s_small.MaxSize);
    }

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(65_536)]
    [TestCase(524_287)]
    [TestCase(524_288)]
    [TestCase(600_000)]
    public void TryNext_PublishedData_GivesThePublishedLengthsForEveryPieceSize(int piece)
    {
        byte[] data = TestData.Lcg(3, 1_000_003);
        List<byte[]> chunks = Split(data, Enumerable.Repeat(piece, (data.Length / piece) + 1), ChunkingParameters.FromAverage(100_000));
        Assert.That(chunks.Select(c => c.Length), Is.EqualTo(new[] { 79691, 146112, 124458, 110099, 200000, 200000, 139643 }));
        Assert.That(chunks.SelectMany(c => c), Is.EqualTo(data));
    }

    [Test]
    public void TryNext_PieceHoldsTheWindow_CutsInPlace()
    {
        byte[] data = TestData.Lcg(9, s_small.MaxSize * 2);
        ReadOnlyMemory<byte> input = data;
        using ChunkSplitter splitter = new(s_small);
        Assert.That(splitter.TryNext(ref input, out ReadOnlyMemory<byte> chunk), Is.True);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(chunk.Span == data.AsSpan(0, chunk.Length), Is.True, "the chunk is the caller's own memory");
            Assert.That(splitter.BufferedLength, Is.Zero);
            Assert.That(input.Length, Is.EqualTo(data.Length - chunk.Length));
        }
    }

    [FsCheck.NUnit.Property(MaxTest = 100, Replay = "(20261122,7)")]
    public bool DetachBuffer_AnyPieces_KeepsTheChunks(uint seed, ushort length, ushort[] pieces)
    {
        byte[] data = TestData.Lcg(seed, length);
        using ChunkSplitter splitter = new(s_small);
        List<ReadOnlyMemory<byte>> chunks = [];
        List<byte[]> detached = [];
        int start = 0;
        foreach (int piece in pieces.Select(p => p % 3000).Append(data.Length))
        {
            int end = Math.Min(start + piece, data.Length);
            ReadOnlyMemory<byte> input = data.AsMemory(start, end - start);
            start = end;
            while (splitter.TryNext(ref input, out ReadOnlyMemory<byte> chunk))
            {
                chunks.Add(chunk);
                if (splitter.DetachBuffer() is { } array)
                {
                    detached.Add(array);
                }
            }
        }

        bool keeps = chunks.SelectMany(chunk => chunk.ToArray()).Concat(splitter.TakeRest().ToArray()).SequenceEqual(data);
        detached.ForEach(array => System.Buffers.ArrayPool<byte>.Shared.Return(array));
        return keeps;
    }

    [TestCase(4096)]
    [TestCase(100_000)]
    [TestCase(700_001)]
    [TestCase(2 << 20)]
    public void TryNext_LargeChunks_GivesTheSameChunksForEveryPieceSize(int piece)
    {
        byte[] data = TestData.Lcg(4, 20_000_003);
        List<int> expected = [];
        for (ReadOnlySpan<byte> rest = data; !rest.IsEmpty; rest = rest[expected[^1]..])
        {
            expected.Add(FastCdc.Cut(rest, ChunkingParameters.Default));
        }

        List<byte[]> chunks = Split(data, Enumerable.Repeat(piece, data.Length / piece), ChunkingParameters.Default);
        Assert.That(chunks.Select(chunk => chunk.Length), Is.EqualTo(expected));
        Assert.That(chunks.SelectMany(chunk => chunk).SequenceEqual(data));
    }

    [Test]
    public void TryFinish_NothingWritten_IsFalse()
    {
        using ChunkSplitter splitter = new(s_small);
        Assert.That(splitter.TryFinish(out _), Is.False);
    }

    [Test]
    public void TryFinish_Done_ANewBlobMayBegin()
    {
        byte[] data = TestData.Lcg(11, 5000);
        using ChunkSplitter splitter = new(s_small);
        List<byte[]> first = Split(data, [100, 900, 4000], splitter: splitter);
        List<byte[]> second = Split(data, [2500, 2500], splitter: splitter);
        Assert.That(second, Is.EqualTo(first));
    }

    private static List<byte[]> Split(
        byte[] data, IEnumerable<int> pieces, ChunkingParameters? parameters = null, ChunkSplitter? splitter = null)
    {
        using ChunkSplitter? own = splitter is null ? new ChunkSplitter(parameters ?? s_small) : null;
        splitter ??= own!;
        List<byte[]> chunks = [];
        ReadOnlyMemory<byte> rest = data;
        foreach (int piece in pieces.Append(data.Length))
        {
            ReadOnlyMemory<byte> input = rest[..Math.Min(piece, rest.Length)];
            rest = rest[input.Length..];
            while (splitter.TryNext(ref input, out ReadOnlyMemory<byte> chunk))
            {
                chunks.Add(chunk.ToArray());
            }

            Assert.That(input.IsEmpty);
        }

        while (splitter.TryFinish(out ReadOnlyMemory<byte> chunk))
        {
            chunks.Add(chunk.ToArray());
        }

        return chunks;
    }
}
