using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Blobs;

[TestFixture]
[TestOf(typeof(ChunkedBlobStream))]
public sealed class ChunkedBlobStreamTests
{
    private static readonly byte[] Content = [.. Enumerable.Range(0, 16).Select(i => (byte)i)];

    [TestCase(0, 0)]
    [TestCase(1, 0)]
    [TestCase(2, 1)]
    [TestCase(5, 1)]
    [TestCase(6, 2)]
    [TestCase(7, 3)]
    [TestCase(9, 4)]
    [TestCase(15, 4)]
    [TestCase(16, -1)]
    [TestCase(-1, -1)]
    public void FindChunk_Position_GivesTheChunkThere(long position, int expected)
    {
        using ChunkedBlobStream stream = Open(new ScriptedSource(), Content, 2, 4, 1, 2, 7);
        Assert.That(stream.FindChunk(position), Is.EqualTo(expected));
    }

    [Test]
    public async Task ReadAsync_Everything_GivesAllBytesAndFetchesEachChunkOnce()
    {
        ScriptedSource source = new();
        await using ChunkedBlobStream stream = Open(source, Content, 2, 4, 1, 2, 7);
        byte[] result = new byte[16];
        await stream.ReadExactlyAsync(result);
        Assert.That(result, Is.EqualTo(Content));
        Assert.That(source.Fetches, Has.Count.EqualTo(5).And.Unique);
    }

    [Test]
    public async Task Seek_WithinTheChunk_DoesNotFetchAgain()
    {
        ScriptedSource source = new();
        await using ChunkedBlobStream stream = Open(source, Content, 4, 12);
        byte[] one = new byte[1];
        foreach (int position in new[] { 15, 4, 10, 5 })
        {
            stream.Position = position;
            await stream.ReadExactlyAsync(one);
            Assert.That(one[0], Is.EqualTo(position));
        }

        Assert.That(source.Fetches, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task ReadAsync_StraightOn_FetchesTheNextThreeChunksMeanwhileAndNoFurther()
    {
        ScriptedSource source = new();
        await using ChunkedBlobStream stream = Open(source, Content, 4, 4, 4, 2, 2);
        await stream.ReadExactlyAsync(new byte[1]);
        await source.WaitForFetchesAsync(4);
        Assert.That(
            source.Fetches,
            Is.EquivalentTo(new[] { Digest(Content[..4]), Digest(Content[4..8]), Digest(Content[8..12]), Digest(Content[12..14]) }));
    }

    [Test]
    public async Task ReadAsync_WaitCancelled_GoesOnWithTheSameFetchLater()
    {
        ScriptedSource source = new();
        await using ChunkedBlobStream stream = Open(source, Content, 8, 8);
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        source.Gates[Digest(Content[8..])] = gate.Task;
        byte[] buffer = new byte[8];
        await stream.ReadExactlyAsync(buffer);
        await source.WaitForFetchesAsync(2);

        using CancellationTokenSource cancellation = new();
        Task<int> read = stream.ReadAsync(buffer, cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        Assert.That(async () => await read, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(stream.Position, Is.EqualTo(8));

        gate.SetResult();
        await stream.ReadExactlyAsync(buffer);
        Assert.That(buffer, Is.EqualTo(Content[8..]));
        Assert.That(source.Fetches, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Dispose_WhileFetchingAhead_CancelsTheFetch()
    {
        ScriptedSource source = new();
        ChunkedBlobStream stream = Open(source, Content, 8, 8);
        source.Gates[Digest(Content[8..])] = new TaskCompletionSource().Task;
        await stream.ReadExactlyAsync(new byte[8]);
        await source.WaitForFetchesAsync(2);
        await stream.DisposeAsync();
        Assert.That(source.LastToken.IsCancellationRequested, Is.True);
    }

    [Test]
    public async Task ReadAsync_ChunkMissing_NamesIt([Values(0, 1)] int missing)
    {
        ScriptedSource source = new();
        await using ChunkedBlobStream stream = Open(source, Content, 8, 8);
        B3Digest digest = Digest(Content.AsSpan(missing * 8, 8));
        source.Blobs.Remove(digest);
        stream.Position = missing * 8;
        Assert.That(
            async () => await stream.ReadAsync(new byte[16]),
            Throws.InstanceOf<StorageException>().With.Message.Contains(digest.ToString()));
    }

    [Test]
    public async Task ReadAsync_ChunkDamaged_HandsOutNothingOfIt()
    {
        ScriptedSource source = new();
        await using ChunkedBlobStream stream = Open(source, Content, 8, 8);
        B3Digest digest = Digest(Content.AsSpan(8));
        source.Blobs[digest] = [.. Content[8..15], 99];
        byte[] buffer = new byte[16];
        int count = await stream.ReadAsync(buffer);
        Assert.That(buffer[..count], Is.EqualTo(Content[..8]));
        DigestMismatchException e = Assert.ThrowsAsync<DigestMismatchException>(
            async () => await stream.ReadExactlyAsync(buffer.AsMemory(8)))!;
        Assert.That(e.Expected, Is.EqualTo(digest));
        Assert.That(e.Actual, Is.EqualTo(Digest(source.Blobs[digest])));
        Assert.That(buffer[8..], Is.All.Zero);
        Assert.That(stream.Position, Is.EqualTo(8));
    }

    [TestCase(7ul)]
    [TestCase(9ul)]
    public async Task ReadAsync_ChunkOfAnotherLength_Throws(ulong recorded)
    {
        ScriptedSource source = new();
        source.Blobs[Digest(Content.AsSpan(0, 8))] = Content[..8];
        await using ChunkedBlobStream stream = new(source, [new BlobChunk(Digest(Content.AsSpan(0, 8)), recorded)]);
        Assert.That(async () => await stream.ReadAsync(new byte[16]), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task ReadAsync_ChunkLargerThanAllowed_ThrowsWithoutFetching()
    {
        ScriptedSource source = new();
        await using ChunkedBlobStream stream = new(source, [new BlobChunk(Digest(Content), long.MaxValue)], maxChunkBytes: 1000);
        Assert.That(stream.Length, Is.EqualTo(long.MaxValue));
        Assert.That(async () => await stream.ReadAsync(new byte[16]), Throws.InstanceOf<StorageException>());
        Assert.That(source.Fetches, Is.Empty);
    }

    [Test]
    public async Task Seek_BeyondWhatAStreamCanBe_Throws()
    {
        await using ChunkedBlobStream stream = Open(new ScriptedSource(), Content, 16);
        Assert.That(() => stream.Seek(long.MaxValue, SeekOrigin.End), Throws.InstanceOf<IOException>());
        Assert.That(stream.Seek(long.MaxValue, SeekOrigin.Begin), Is.EqualTo(long.MaxValue));
        Assert.That(await stream.ReadAsync(new byte[16]), Is.Zero);
    }

    [Test]
    public void Constructor_BadArguments_Throws()
    {
        BlobChunk huge = new(Digest(Content), long.MaxValue);
        Assert.That(() => new ChunkedBlobStream(new ScriptedSource(), []), Throws.ArgumentException);
        Assert.That(() => new ChunkedBlobStream(null!, [huge]), Throws.ArgumentNullException);
        Assert.That(() => new ChunkedBlobStream(new ScriptedSource(), null!), Throws.ArgumentNullException);
        Assert.That(() => new ChunkedBlobStream(new ScriptedSource(), [huge], 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new ChunkedBlobStream(new ScriptedSource(), [huge, huge]), Throws.InstanceOf<StorageException>());
        Assert.That(
            () => new ChunkedBlobStream(new ScriptedSource(), [huge with { Size = ulong.MaxValue }]),
            Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task CopyToAsync_ManyChunks_GivesAllBytes()
    {
        byte[] content = SampleData.Bytes(100_000);
        await using ChunkedBlobStream stream = Open(new ScriptedSource(), content, [.. Enumerable.Repeat(1000, 100)]);
        using MemoryStream copy = new();
        await stream.CopyToAsync(copy);
        Assert.That(copy.ToArray(), Is.EqualTo(content));
    }

    private static B3Digest Digest(ReadOnlySpan<byte> bytes) => Blake3Hasher.HashData(bytes);

    private static ChunkedBlobStream Open(ScriptedSource source, byte[] content, params int[] lengths)
    {
        List<BlobChunk> chunks = [];
        int at = 0;
        foreach (int length in lengths)
        {
            byte[] piece = content[at..(at + length)];
            source.Blobs[Digest(piece)] = piece;
            chunks.Add(new BlobChunk(Digest(piece), (ulong)length));
            at += length;
        }

        return new ChunkedBlobStream(source, chunks);
    }

    /// <summary>Gives what it is told to, notes what is fetched, and holds an answer back until its gate opens.</summary>
    private sealed class ScriptedSource : IBlobService
    {
        private readonly Lock _lock = new();
        private readonly List<B3Digest> _fetches = [];
        private readonly SemaphoreSlim _fetched = new(0);

        public Dictionary<B3Digest, byte[]> Blobs { get; } = [];

        public Dictionary<B3Digest, Task> Gates { get; } = [];

        public CancellationToken LastToken { get; private set; }

        public IReadOnlyList<B3Digest> Fetches
        {
            get
            {
                lock (_lock)
                {
                    return [.. _fetches];
                }
            }
        }

        public async Task WaitForFetchesAsync(int count)
        {
            while (Fetches.Count < count)
            {
                await _fetched.WaitAsync();
            }
        }

        public async ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default)
        {
            lock (_lock)
            {
                _fetches.Add(digest);
                LastToken = cancellationToken;
            }

            _fetched.Release();
            if (Gates.TryGetValue(digest, out Task? gate))
            {
                await gate.WaitAsync(cancellationToken);
            }

            if (!Blobs.TryGetValue(digest, out byte[]? bytes))
            {
                return null;
            }

            if (bytes.Length > maxBytes)
            {
                throw new BlobTooLongException(digest, maxBytes);
            }

            BlobContent content = BlobContent.Rent(bytes.Length);
            bytes.CopyTo(content.Memory);
            return content;
        }

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }
}
