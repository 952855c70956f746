using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Testing.Streams;

namespace Tvix.Testing.Blobs;

/// <summary>
/// What every <see cref="IBlobService"/> must do. Inherit it, say how to make a service, and the suite runs, that of the streams it opens
/// included.
/// </summary>
/// <remarks>Where implementations may differ, a virtual member says which way this one goes, and the suite holds it to that.</remarks>
public abstract class BlobServiceContract : BlobStreamContract
{
    private static readonly B3Digest Unknown = new("not the digest of a known blob.."u8);

    /// <summary>The service of the running test; made before it, disposed after it.</summary>
    protected IBlobService Service { get; private set; } = null!;

    /// <summary>Makes a service that is empty.</summary>
    protected abstract ValueTask<IBlobService> CreateAsync();

    /// <summary>Takes a service down. Unless overridden, disposes it if it can be disposed.</summary>
    protected virtual async ValueTask DestroyAsync(IBlobService service)
    {
        if (service is IAsyncDisposable asyncDisposable)
        {
            await asyncDisposable.DisposeAsync();
        }
        else
        {
            (service as IDisposable)?.Dispose();
        }
    }

    /// <summary>Whether a blob of that many random bytes is kept in more than one chunk, and the service tells which.</summary>
    protected virtual bool KeepsInChunks(int size) => false;

    /// <summary>Makes the service of a test.</summary>
    [SetUp]
    public async Task CreateServiceAsync() => Service = await CreateAsync();

    /// <summary>Takes the service of a test down.</summary>
    [TearDown]
    public async Task DestroyServiceAsync()
    {
        if (Service is not null)
        {
            await DestroyAsync(Service);
        }
    }

    /// <inheritdoc/>
    protected override async ValueTask<Stream> OpenAsync(byte[] content) =>
        await Service.OpenReadAsync(await Service.PutAsync(content)) ?? throw new AssertionException("A blob just put is not there.");

    /// <summary>What is put has the digest that BLAKE3 gives it, is there, and can be read in each way.</summary>
    [TestCaseSource(typeof(SampleData), nameof(SampleData.BlobSizes))]
    public async Task Put_AnySize_CanBeRead(int size)
    {
        byte[] content = SampleData.Bytes(size);
        B3Digest digest = await Service.PutAsync(content);
        Assert.That(digest, Is.EqualTo(Blake3Hasher.HashData(content)));
        await AssertHoldsAsync(digest, content);
    }

    /// <summary>Putting a blob again gives the same digest and does no harm.</summary>
    [Test]
    public async Task Put_Again_GivesTheSameDigest()
    {
        byte[] content = SampleData.Bytes(5000);
        B3Digest first = await Service.PutAsync(content);
        Assert.That(await Service.PutAsync(content), Is.EqualTo(first));
        await AssertHoldsAsync(first, content);
    }

    /// <summary>A writer takes the bytes in pieces of any length.</summary>
    [TestCaseSource(typeof(SampleData), nameof(SampleData.BlobSizes))]
    public async Task Write_InOddPieces_StoresTheWhole(int size)
    {
        byte[] content = SampleData.Bytes(size);
        Random random = new(size);
        await using BlobWriter writer = await Service.OpenWriteAsync();
        for (int at = 0; at < size;)
        {
            int count = Math.Min(random.Next(size < 2000 ? 3 : 100_000), size - at);
            if (count % 2 == 0)
            {
                await writer.WriteAsync(content.AsMemory(at, count));
            }
            else
            {
                await writer.WriteAsync(content, at, count, CancellationToken.None);
            }

            at += count;
        }

        B3Digest digest = await writer.CompleteAsync();
        Assert.That(digest, Is.EqualTo(Blake3Hasher.HashData(content)));
        await AssertHoldsAsync(digest, content);
    }

    /// <summary>When a write has returned, the buffer is the caller's again.</summary>
    [Test]
    public async Task Write_BufferUsedAgain_StoresWhatItHeldBefore()
    {
        byte[] content = SampleData.Bytes(300_000);
        byte[] buffer = new byte[1000];
        await using BlobWriter writer = await Service.OpenWriteAsync();
        for (int at = 0; at < content.Length; at += buffer.Length)
        {
            content.AsSpan(at, buffer.Length).CopyTo(buffer);
            await writer.WriteAsync(buffer);
            buffer.AsSpan().Fill(0xaa);
        }

        await AssertHoldsAsync(await writer.CompleteAsync(), content);
    }

    /// <summary>A stream can be copied into a writer.</summary>
    [Test]
    public async Task Write_CopiedFromAStream_StoresTheWhole()
    {
        byte[] content = SampleData.Bytes(200_000);
        await using BlobWriter writer = await Service.OpenWriteAsync();
        await new MemoryStream(content).CopyToAsync(writer);
        await writer.FlushAsync();
        await AssertHoldsAsync(await writer.CompleteAsync(), content);
    }

    /// <summary>A blob is not there before it is complete.</summary>
    [TestCase(10)]
    [TestCase(1 << 20)]
    public async Task Write_NotYetComplete_ShowsNothing(int size)
    {
        byte[] content = SampleData.Bytes(size);
        await using BlobWriter writer = await Service.OpenWriteAsync();
        await writer.WriteAsync(content);
        Assert.That(await Service.HasAsync(Blake3Hasher.HashData(content)), Is.False);
        await AssertHoldsAsync(await writer.CompleteAsync(), content);
    }

    /// <summary>A writer that is disposed before it is complete leaves nothing behind.</summary>
    [Test]
    public async Task Write_Abandoned_LeavesNothing([Values(0, 10, 1 << 20)] int size, [Values] bool asynchronously)
    {
        byte[] content = SampleData.Bytes(size);
        BlobWriter writer = await Service.OpenWriteAsync();
        await writer.WriteAsync(content);
        if (asynchronously)
        {
            await writer.DisposeAsync();
        }
        else
        {
            writer.Dispose();
        }

        B3Digest digest = Blake3Hasher.HashData(content);
        Assert.That(await Service.GetChunksAsync(digest), Is.Null);
        Assert.That(await Service.HasAsync(digest), Is.False);
        await AssertHoldsAsync(await Service.PutAsync(content), content);
    }

    /// <summary>Nothing written is the empty blob.</summary>
    [Test]
    public async Task Complete_NothingWritten_StoresTheEmptyBlob()
    {
        await using BlobWriter writer = await Service.OpenWriteAsync();
        Assert.That(await writer.CompleteAsync(), Is.EqualTo(B3Digest.Empty));
        await AssertHoldsAsync(B3Digest.Empty, []);
    }

    /// <summary>Completing again gives the same digest, after disposal too.</summary>
    [Test]
    public async Task Complete_Again_GivesTheSameDigest()
    {
        BlobWriter writer = await Service.OpenWriteAsync();
        await writer.WriteAsync(SampleData.Bytes(100));
        B3Digest digest = await writer.CompleteAsync();
        Assert.That(await writer.CompleteAsync(), Is.EqualTo(digest));
        await writer.DisposeAsync();
        Assert.That(await writer.CompleteAsync(), Is.EqualTo(digest));
        await AssertHoldsAsync(digest, SampleData.Bytes(100));
    }

    /// <summary>A complete blob takes nothing more.</summary>
    [Test]
    public async Task Write_AfterCompletion_Throws()
    {
        await using BlobWriter writer = await Service.OpenWriteAsync();
        Assert.That(writer.CanWrite, Is.True);
        B3Digest digest = await writer.CompleteAsync();
        Assert.That(writer.CanWrite, Is.False);
        Assert.That(async () => await writer.WriteAsync(new byte[] { 1 }), Throws.InstanceOf<InvalidOperationException>());
        Assert.That(async () => await writer.FlushAsync(), Throws.InstanceOf<InvalidOperationException>());
        Assert.That(await writer.CompleteAsync(), Is.EqualTo(digest));
    }

    /// <summary>A disposed writer takes nothing more and cannot be completed; disposing it again is fine.</summary>
    [Test]
    public async Task Write_AfterDisposal_Throws()
    {
        BlobWriter writer = await Service.OpenWriteAsync();
        await writer.WriteAsync(new byte[] { 1 });
        await writer.DisposeAsync();
        await writer.DisposeAsync();
        writer.Dispose();
        Assert.That(writer.CanWrite, Is.False);
        Assert.That(async () => await writer.WriteAsync(new byte[] { 1 }), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await writer.CompleteAsync(), Throws.InstanceOf<ObjectDisposedException>());
    }

    /// <summary>A writer is a stream that can only be written, and only asynchronously.</summary>
    [Test]
    public async Task Writer_AsStream_TellsWhatItCanDo()
    {
        await using BlobWriter writer = await Service.OpenWriteAsync();
        Assert.That(writer.CanRead, Is.False);
        Assert.That(writer.CanSeek, Is.False);
        Assert.That(() => writer.Length, Throws.InstanceOf<NotSupportedException>());
        Assert.That(() => writer.Read(new byte[1], 0, 1), Throws.InstanceOf<NotSupportedException>());
        Assert.That(() => writer.Write([1], 0, 1), Throws.InstanceOf<NotSupportedException>());
    }

    /// <summary>Many may write the same blob at once; all get its digest.</summary>
    [Test]
    public async Task Write_TheSameBlobConcurrently_StoresIt([Values(100, 700_000)] int size)
    {
        byte[] content = SampleData.Bytes(size);
        IEnumerable<int> pieceLengths = Enumerable.Range(1, 8).Select(i => 1 + (size / i));
        B3Digest[] digests = await Task.WhenAll(pieceLengths.Select(length => Task.Run(() => WriteAsync(content, length))));
        Assert.That(digests, Is.All.EqualTo(Blake3Hasher.HashData(content)));
        await AssertHoldsAsync(digests[0], content);
    }

    /// <summary>Different blobs may be written and read at once.</summary>
    [Test]
    public async Task Write_DifferentBlobsConcurrently_StoresAll()
    {
        await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () =>
        {
            byte[] content = SampleData.Bytes(i * 20_000, seed: i + 1);
            await AssertHoldsAsync(await WriteAsync(content, 7_777), content);
        })));
    }

    /// <summary>Readers of one blob do not disturb each other.</summary>
    [Test]
    public async Task OpenRead_ManyTimes_GivesIndependentStreams()
    {
        byte[] content = SampleData.Bytes(300_000);
        B3Digest digest = await Service.PutAsync(content);
        await using Stream first = (await Service.OpenReadAsync(digest))!;
        await using Stream second = (await Service.OpenReadAsync(digest))!;
        first.Position = 200_000;
        byte[] buffer = new byte[100];
        await second.ReadExactlyAsync(buffer);
        Assert.That(buffer, Is.EqualTo(content[..100]));
        await first.ReadExactlyAsync(buffer);
        Assert.That(buffer, Is.EqualTo(content[200_000..200_100]));

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => AssertHoldsAsync(digest, content))));
    }

    /// <summary>What was never stored is not there, in each way of asking.</summary>
    [Test]
    public async Task Anything_UnknownDigest_SaysThatItIsNotThere()
    {
        await Service.PutAsync(SampleData.Bytes(100));
        Assert.That(await Service.HasAsync(Unknown), Is.False);
        Assert.That(await Service.OpenReadAsync(Unknown), Is.Null);
        Assert.That(await Service.GetChunksAsync(Unknown), Is.Null);
        Assert.That(await Service.ReadAsync(Unknown, 1000), Is.Null);
        Assert.That(await Service.ReadAsync(Unknown, 0), Is.Null);
    }

    /// <summary>The chunks of a blob, if it has any, are blobs, and together they are the blob.</summary>
    [TestCaseSource(typeof(SampleData), nameof(SampleData.BlobSizes))]
    public async Task GetChunks_AnySize_GivesTheBlobInPieces(int size)
    {
        byte[] content = SampleData.Bytes(size);
        B3Digest digest = await Service.PutAsync(content);
        IReadOnlyList<BlobChunk>? chunks = await Service.GetChunksAsync(digest);
        Assert.That(chunks, Is.Not.Null);
        Assert.That(chunks!.Count > 1, Is.EqualTo(KeepsInChunks(size)), "whether there are chunks");
        long at = 0;
        foreach (BlobChunk chunk in chunks)
        {
            Assert.That(chunk.Size, Is.LessThanOrEqualTo((ulong)(size - at)));
            byte[] slice = content[(int)at..(int)(at + (long)chunk.Size)];
            Assert.That(Blake3Hasher.HashData(slice), Is.EqualTo(chunk.Digest));
            await AssertHoldsAsync(chunk.Digest, slice);
            at += (long)chunk.Size;
        }

        Assert.That(at, Is.EqualTo(chunks.Count == 0 ? 0 : size));
    }

    /// <summary>Putting many gives what putting each gives, whatever their sizes and even when they repeat.</summary>
    [Test]
    public async Task PutMany_AnySizes_GivesWhatPutGives()
    {
        List<ReadOnlyMemory<byte>> contents = [.. SampleData.BlobSizes.Select(size => (ReadOnlyMemory<byte>)SampleData.Bytes(size))];
        contents.AddRange(Enumerable.Range(0, 100).Select(i => (ReadOnlyMemory<byte>)SampleData.Bytes(i * 10, seed: 1 + (i % 50))));
        contents.Add(contents[3]);
        B3Digest[] digests = new B3Digest[contents.Count + 1];
        await Service.PutManyAsync(contents, digests);
        for (int i = 0; i < contents.Count; i++)
        {
            Assert.That(digests[i], Is.EqualTo(Blake3Hasher.HashData(contents[i].Span)), $"at {i}");
            await AssertHoldsAsync(digests[i], contents[i].ToArray());
        }

        Assert.That(digests[^1], Is.EqualTo(default(B3Digest)), "nothing is written behind the last");
    }

    /// <summary>Putting none does nothing; room for too few digests is the caller's mistake, and nothing is stored.</summary>
    [Test]
    public async Task PutMany_NoneOrTooLittleRoom_DoesNothing()
    {
        await Service.PutManyAsync([], Memory<B3Digest>.Empty);
        byte[] content = SampleData.Bytes(10);
        Assert.That(async () => await Service.PutManyAsync([content, content], new B3Digest[1]), Throws.InstanceOf<ArgumentException>());
        Assert.That(async () => await Service.PutManyAsync(null!, new B3Digest[1]), Throws.InstanceOf<ArgumentNullException>());
        Assert.That(await Service.HasAsync(Blake3Hasher.HashData(content)), Is.False);
    }

    /// <summary>A blob is read whole up to the limit and not beyond.</summary>
    [TestCaseSource(typeof(SampleData), nameof(SampleData.BlobSizes))]
    public async Task Read_LimitAroundTheLength_HoldsIt(int size)
    {
        byte[] content = SampleData.Bytes(size);
        B3Digest digest = await Service.PutAsync(content);
        using (BlobContent? exact = await Service.ReadAsync(digest, size))
        {
            Assert.That(exact!.Memory.Span.SequenceEqual(content), Is.True);
        }

        using (BlobContent? roomy = await Service.ReadAsync(digest, int.MaxValue))
        {
            Assert.That(roomy!.Memory.Span.SequenceEqual(content), Is.True);
        }

        if (size > 0)
        {
            Assert.That(async () => await Service.ReadAsync(digest, size - 1), Throws.TypeOf<BlobTooLongException>());
        }

        Assert.That(async () => await Service.ReadAsync(digest, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    /// <summary>What is read belongs to the caller: changing it does not change the store.</summary>
    [Test]
    public async Task Read_ResultChanged_LeavesTheBlobAlone()
    {
        byte[] content = SampleData.Bytes(100);
        B3Digest digest = await Service.PutAsync(content);
        using (BlobContent? result = await Service.ReadAsync(digest, 100))
        {
            result!.Memory.Span.Clear();
        }

        await AssertHoldsAsync(digest, SampleData.Bytes(100));
    }

    /// <summary>Reading many gives what reading each gives, whatever their sizes and order, even when they repeat or are not there.</summary>
    [Test]
    public async Task ReadMany_AnySizesInAnyOrder_GivesWhatReadGives()
    {
        List<byte[]> contents = [.. SampleData.BlobSizes.Select(size => SampleData.Bytes(size))];
        contents.AddRange(Enumerable.Range(0, 300).Select(i => SampleData.Bytes(i * 37, seed: 1 + i)));
        B3Digest[] digests = new B3Digest[contents.Count];
        await Service.PutManyAsync([.. contents.Select(content => (ReadOnlyMemory<byte>)content)], digests);
        int[] order = [.. Enumerable.Range(0, contents.Count), 3, contents.Count - 1];
        new Random(1).Shuffle(order);
        List<BlobChunk> wanted = [.. order.Select(i => new BlobChunk(digests[i], (ulong)contents[i].Length + (ulong)(i % 2)))];
        wanted.Insert(7, new BlobChunk(Unknown, 1000));
        BlobContent?[] found = new BlobContent?[wanted.Count + 1];
        await Service.ReadManyAsync(wanted, found);
        Assert.That(found[7], Is.Null, "what is not there");
        Assert.That(found[^1], Is.Null, "nothing is written behind the last");
        for (int i = 0; i < order.Length; i++)
        {
            using BlobContent? content = found[i < 7 ? i : i + 1];
            Assert.That(content, Is.Not.Null, $"at {i}");
            Assert.That(content!.Memory.Span.SequenceEqual(contents[order[i]]), Is.True, $"at {i}");
        }
    }

    /// <summary>Many are asked for at once: whole ones, chunked ones, unknown ones, the same one twice.</summary>
    [Test]
    public async Task HasMany_SomeOfThemUnknown_GivesWhatHasGives()
    {
        B3Digest small = await Service.PutAsync(SampleData.Bytes(50));
        B3Digest large = await Service.PutAsync(SampleData.Bytes(1_500_000));
        bool[] found = [false, true, false, false, true, true];
        await Service.HasManyAsync([small, Unknown, large, small, Unknown], found);
        Assert.That(found, Is.EqualTo((bool[])[true, false, true, true, false, true]), "and nothing is written behind the last");
    }

    /// <summary>Asking for none does nothing; too little room for answers is the caller's mistake.</summary>
    [Test]
    public async Task HasMany_NoneOrNonsense_AsksNothing()
    {
        await Service.HasManyAsync([], Memory<bool>.Empty);
        Assert.That(async () => await Service.HasManyAsync([Unknown, Unknown], new bool[1]), Throws.InstanceOf<ArgumentException>());
        Assert.That(async () => await Service.HasManyAsync(null!, new bool[1]), Throws.InstanceOf<ArgumentNullException>());
    }

    /// <summary>Reading none does nothing; too little room for answers is the caller's mistake, and so is a size that nothing can have.</summary>
    [Test]
    public async Task ReadMany_NoneOrNonsense_ReadsNothing()
    {
        await Service.ReadManyAsync([], Memory<BlobContent?>.Empty);
        B3Digest digest = await Service.PutAsync(SampleData.Bytes(10));
        BlobChunk chunk = new(digest, 10);
        BlobContent?[] found = new BlobContent?[1];
        Assert.That(async () => await Service.ReadManyAsync([chunk, chunk], found), Throws.InstanceOf<ArgumentException>());
        Assert.That(async () => await Service.ReadManyAsync(null!, found), Throws.InstanceOf<ArgumentNullException>());
        Assert.That(async () => await Service.ReadManyAsync([new BlobChunk(digest, ulong.MaxValue)], found), Throws.InstanceOf<ArgumentException>());
        Assert.That(found[0], Is.Null);
    }

    /// <summary>A blob that is longer than its size fails the call, and nothing is left to be disposed.</summary>
    [TestCase(100)]
    [TestCase(700_000)]
    public async Task ReadMany_BlobLongerThanItsSize_Throws(int size)
    {
        BlobChunk good = new(await Service.PutAsync(SampleData.Bytes(50)), 50);
        BlobChunk bad = new(await Service.PutAsync(SampleData.Bytes(size)), (ulong)size - 1);
        BlobContent?[] found = new BlobContent?[2];
        Assert.That(async () => await Service.ReadManyAsync([good, bad], found), Throws.TypeOf<BlobTooLongException>());
        Assert.That(found, Is.All.Null);
    }

    /// <summary>Every member looks at its token.</summary>
    [Test]
    public async Task Anything_Cancelled_Throws()
    {
        byte[] content = SampleData.Bytes(1000);
        byte[] other = SampleData.Bytes(1000, seed: 2);
        B3Digest digest = await Service.PutAsync(content);
        CancellationToken cancelled = new(canceled: true);
        Assert.That(async () => await Service.HasAsync(digest, cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await Service.HasManyAsync([digest], new bool[1], cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await Service.OpenReadAsync(digest, cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await Service.GetChunksAsync(digest, cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await Service.ReadAsync(digest, 1000, cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(
            async () => await Service.ReadManyAsync([new BlobChunk(digest, 1000)], new BlobContent?[1], cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await Service.OpenWriteAsync(cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await Service.PutAsync(other, cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(
            async () => await Service.PutManyAsync([other], new B3Digest[1], cancelled), Throws.InstanceOf<OperationCanceledException>());

        await using (BlobWriter writer = await Service.OpenWriteAsync())
        {
            Assert.That(async () => await writer.WriteAsync(other, cancelled), Throws.InstanceOf<OperationCanceledException>());
        }

        await using (BlobWriter writer = await Service.OpenWriteAsync())
        {
            await writer.WriteAsync(other);
            Assert.That(async () => await writer.CompleteAsync(cancelled), Throws.InstanceOf<OperationCanceledException>());
        }

        Assert.That(await Service.HasAsync(Blake3Hasher.HashData(other)), Is.False);
    }

    private async Task<B3Digest> WriteAsync(byte[] content, int pieceLength)
    {
        await using BlobWriter writer = await Service.OpenWriteAsync();
        for (int at = 0; at < content.Length; at += pieceLength)
        {
            await writer.WriteAsync(content.AsMemory(at, Math.Min(pieceLength, content.Length - at)));
        }

        return await writer.CompleteAsync();
    }

    private async Task AssertHoldsAsync(B3Digest digest, byte[] content)
    {
        Assert.That(await Service.HasAsync(digest), Is.True);
        await using Stream? stream = await Service.OpenReadAsync(digest);
        Assert.That(stream, Is.Not.Null);
        Assert.That(stream!.Length, Is.EqualTo(content.Length));
        using MemoryStream copy = new();
        await stream.CopyToAsync(copy);
        Assert.That(copy.GetBuffer().AsSpan(0, (int)copy.Length).SequenceEqual(content), Is.True);

        using BlobContent? whole = await Service.ReadAsync(digest, content.Length);
        Assert.That(whole, Is.Not.Null);
        Assert.That(whole!.Memory.Span.SequenceEqual(content), Is.True);
        Assert.That(await Service.GetChunksAsync(digest), Is.Not.Null);
    }
}
