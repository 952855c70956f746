using NUnit.Framework;

namespace Tvix.Testing.Streams;

/// <summary>
/// What a stream must do that hands out the bytes of a blob: seekable, read-only, asynchronous. Inherit it to run it on yours.
/// </summary>
public abstract class BlobStreamContract
{
    /// <summary>Lengths of the streams that are tested, in bytes.</summary>
    public static IEnumerable<int> StreamSizes => [0, 1, 1000, 65536, (1 << 20) + 1];

    /// <summary>Opens a fresh stream over the given bytes, at its start. The test disposes it.</summary>
    protected abstract ValueTask<Stream> OpenAsync(byte[] content);

    /// <summary>
    /// Whether a stream of that length supports synchronous reads; where not, they must throw <see cref="NotSupportedException"/>.
    /// </summary>
    protected virtual bool ReadsSynchronously(int size) => true;

    /// <summary>
    /// Whether seeking beyond the end is fine, with nothing to read there; where not, it must throw <see cref="IOException"/>.
    /// </summary>
    protected virtual bool SeeksBeyondEnd => true;

    /// <summary>The stream says that it is seekable and read-only, how long it is, and starts at its start.</summary>
    [TestCaseSource(nameof(StreamSizes))]
    public async Task Stream_Fresh_TellsWhatItCanDo(int size)
    {
        await using Stream stream = await OpenAsync(SampleData.Bytes(size));
        Assert.Multiple(() =>
        {
            Assert.That(stream.CanRead, Is.True);
            Assert.That(stream.CanSeek, Is.True);
            Assert.That(stream.CanWrite, Is.False);
            Assert.That(stream.Length, Is.EqualTo(size));
            Assert.That(stream.Position, Is.Zero);
        });
    }

    /// <summary>Nothing can be written, nor the length changed.</summary>
    [Test]
    public async Task Stream_WrittenTo_Throws()
    {
        await using Stream stream = await OpenAsync(SampleData.Bytes(10));
        Assert.That(() => stream.Write([1, 2], 0, 2), Throws.InstanceOf<NotSupportedException>());
        Assert.That(() => stream.SetLength(5), Throws.InstanceOf<NotSupportedException>());
        Assert.That(stream.Length, Is.EqualTo(10));
    }

    /// <summary>Reading in pieces of odd lengths, by both overloads, gives all bytes in order.</summary>
    [TestCaseSource(nameof(StreamSizes))]
    public async Task ReadAsync_InPieces_GivesAllBytes(int size)
    {
        byte[] content = SampleData.Bytes(size);
        await using Stream stream = await OpenAsync(content);
        Random random = new(size);
        byte[] result = new byte[size + 1];
        int at = 0;
        for (bool useArray = false; ; useArray = !useArray)
        {
            int most = Math.Min(1 + random.Next(70_000), result.Length - at);
            int count = useArray
                ? await stream.ReadAsync(result, at, most, CancellationToken.None)
                : await stream.ReadAsync(result.AsMemory(at, most));
            Assert.That(count, Is.InRange(0, most));
            if (count == 0)
            {
                break;
            }

            at += count;
            Assert.That(stream.Position, Is.EqualTo(at));
        }

        Assert.That(at, Is.EqualTo(size));
        Assert.That(result.AsSpan(0, at).SequenceEqual(content), Is.True);
    }

    /// <summary>A read does not touch the buffer outside of where it was told to write.</summary>
    [Test]
    public async Task ReadAsync_IntoTheMiddleOfAnArray_LeavesTheRestAlone()
    {
        byte[] content = SampleData.Bytes(100);
        await using Stream stream = await OpenAsync(content);
        byte[] buffer = new byte[30];
        int count = await stream.ReadAsync(buffer, 10, 10, CancellationToken.None);
        Assert.That(count, Is.InRange(1, 10));
        Assert.That(buffer[..10], Is.All.Zero);
        Assert.That(buffer[20..], Is.All.Zero);
        Assert.That(buffer.AsSpan(10, count).SequenceEqual(content.AsSpan(0, count)), Is.True);
    }

    /// <summary>At the end there is nothing more to read, however often one asks.</summary>
    [TestCaseSource(nameof(StreamSizes))]
    public async Task ReadAsync_AtTheEnd_Gives0(int size)
    {
        await using Stream stream = await OpenAsync(SampleData.Bytes(size));
        Assert.That(stream.Seek(0, SeekOrigin.End), Is.EqualTo(size));
        Assert.That(await stream.ReadAsync(new byte[8].AsMemory()), Is.Zero);
        Assert.That(await stream.ReadAsync(new byte[8].AsMemory()), Is.Zero);
        Assert.That(stream.Position, Is.EqualTo(size));
    }

    /// <summary>A read of no bytes gives none and stays where it is.</summary>
    [Test]
    public async Task ReadAsync_NoBytes_Gives0AndStays()
    {
        byte[] content = SampleData.Bytes(100);
        await using Stream stream = await OpenAsync(content);
        stream.Position = 7;
        Assert.That(await stream.ReadAsync(Memory<byte>.Empty), Is.Zero);
        Assert.That(await stream.ReadAsync(new byte[4], 4, 0, CancellationToken.None), Is.Zero);
        Assert.That(stream.Position, Is.EqualTo(7));
        byte[] one = new byte[1];
        await stream.ReadExactlyAsync(one);
        Assert.That(one[0], Is.EqualTo(content[7]));
    }

    /// <summary>Bad arguments are told apart from bad data.</summary>
    [Test]
    public async Task ReadAsync_BadArguments_Throws()
    {
        await using Stream stream = await OpenAsync(SampleData.Bytes(100));
        Assert.That(async () => await stream.ReadAsync(null!, 0, 1, CancellationToken.None), Throws.InstanceOf<ArgumentNullException>());
        Assert.That(async () => await stream.ReadAsync(new byte[4], -1, 1, CancellationToken.None), Throws.InstanceOf<ArgumentException>());
        Assert.That(async () => await stream.ReadAsync(new byte[4], 0, 5, CancellationToken.None), Throws.InstanceOf<ArgumentException>());
        Assert.That(async () => await stream.ReadAsync(new byte[4], 3, 2, CancellationToken.None), Throws.InstanceOf<ArgumentException>());
    }

    /// <summary>Synchronous reads give the bytes where they are claimed, and throw where not.</summary>
    [TestCaseSource(nameof(StreamSizes))]
    public async Task Read_Synchronously_DoesAsClaimed(int size)
    {
        byte[] content = SampleData.Bytes(size);
        await using Stream stream = await OpenAsync(content);
        if (!ReadsSynchronously(size))
        {
            Assert.That(() => stream.Read(new byte[4], 0, 4), Throws.InstanceOf<NotSupportedException>());
            return;
        }

        byte[] result = new byte[size];
        stream.ReadExactly(result);
        Assert.That(result.AsSpan().SequenceEqual(content), Is.True);
        Assert.That(stream.Read(new byte[4], 0, 4), Is.Zero);
        Assert.That(stream.ReadByte(), Is.EqualTo(-1));
        if (size > 0)
        {
            stream.Position = size - 1;
            Assert.That(stream.ReadByte(), Is.EqualTo(content[^1]));
        }
    }

    /// <summary>After a seek from any origin to any place, the bytes of that place come.</summary>
    [TestCaseSource(nameof(StreamSizes))]
    public async Task Seek_AnywhereFromAnyOrigin_GivesTheBytesThere(int size)
    {
        byte[] content = SampleData.Bytes(size);
        await using Stream stream = await OpenAsync(content);
        Random random = new(size);
        byte[] buffer = new byte[1000];
        for (int i = 0; i < 60; i++)
        {
            int target = random.Next(size + 1);
            SeekOrigin origin = (SeekOrigin)(i % 3);
            long offset = origin switch
            {
                SeekOrigin.Begin => target,
                SeekOrigin.Current => target - stream.Position,
                _ => target - size,
            };
            Assert.That(stream.Seek(offset, origin), Is.EqualTo(target));
            Assert.That(stream.Position, Is.EqualTo(target));

            int wanted = Math.Min(random.Next(1, buffer.Length), size - target);
            await stream.ReadExactlyAsync(buffer.AsMemory(0, wanted));
            Assert.That(buffer.AsSpan(0, wanted).SequenceEqual(content.AsSpan(target, wanted)), Is.True, $"at {target}");
            Assert.That(stream.Position, Is.EqualTo(target + wanted));
        }
    }

    /// <summary>There is nothing before the start; the stream stays where it was.</summary>
    [Test]
    public async Task Seek_BeforeTheStart_ThrowsAndStays()
    {
        await using Stream stream = await OpenAsync(SampleData.Bytes(100));
        stream.Position = 40;
        Assert.That(() => stream.Seek(-1, SeekOrigin.Begin), Throws.InstanceOf<IOException>());
        Assert.That(() => stream.Seek(-41, SeekOrigin.Current), Throws.InstanceOf<IOException>());
        Assert.That(() => stream.Seek(-101, SeekOrigin.End), Throws.InstanceOf<IOException>());
        Assert.That(() => stream.Position = -1, Throws.InstanceOf<ArgumentOutOfRangeException>().Or.InstanceOf<IOException>());
        Assert.That(() => stream.Seek(0, (SeekOrigin)17), Throws.InstanceOf<ArgumentException>());
        Assert.That(stream.Position, Is.EqualTo(40));
    }

    /// <summary>Beyond the end there is nothing to read, or no way there, as claimed; either way one can come back.</summary>
    [TestCaseSource(nameof(StreamSizes))]
    public async Task Seek_BeyondTheEnd_DoesAsClaimed(int size)
    {
        byte[] content = SampleData.Bytes(size);
        await using Stream stream = await OpenAsync(content);
        if (SeeksBeyondEnd)
        {
            Assert.That(stream.Seek(5, SeekOrigin.End), Is.EqualTo(size + 5));
            Assert.That(stream.Position, Is.EqualTo(size + 5));
            Assert.That(await stream.ReadAsync(new byte[8].AsMemory()), Is.Zero);
        }
        else
        {
            Assert.That(() => stream.Seek(5, SeekOrigin.End), Throws.InstanceOf<IOException>());
        }

        Assert.That(stream.Seek(0, SeekOrigin.Begin), Is.Zero);
        byte[] result = new byte[size];
        await stream.ReadExactlyAsync(result);
        Assert.That(result.AsSpan().SequenceEqual(content), Is.True);
    }

    /// <summary>Copying gives everything from the position on, with any size of buffer, and ends at the end.</summary>
    [TestCaseSource(nameof(StreamSizes))]
    public async Task CopyToAsync_FromAnywhere_GivesTheRest(int size)
    {
        byte[] content = SampleData.Bytes(size);
        await using Stream stream = await OpenAsync(content);
        foreach (int start in new[] { 0, size / 3, size })
        {
            foreach (int bufferSize in new[] { 4096, 81920 })
            {
                stream.Position = start;
                using MemoryStream copy = new();
                await stream.CopyToAsync(copy, bufferSize);
                Assert.That(copy.GetBuffer().AsSpan(0, (int)copy.Length).SequenceEqual(content.AsSpan(start)), Is.True, $"from {start}");
                Assert.That(stream.Position, Is.EqualTo(size));
            }
        }
    }

    /// <summary>A read whose token is cancelled throws and stays where it is; the next one works.</summary>
    [Test]
    public async Task ReadAsync_Cancelled_ThrowsAndStays()
    {
        byte[] content = SampleData.Bytes(1000);
        await using Stream stream = await OpenAsync(content);
        stream.Position = 3;
        CancellationToken cancelled = new(canceled: true);
        Assert.That(async () => await stream.ReadAsync(new byte[8].AsMemory(), cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await stream.ReadAsync(new byte[8], 0, 8, cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await stream.CopyToAsync(new MemoryStream(), cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(stream.Position, Is.EqualTo(3));
        byte[] one = new byte[1];
        await stream.ReadExactlyAsync(one);
        Assert.That(one[0], Is.EqualTo(content[3]));
    }

    /// <summary>After disposal nothing works, except disposing again.</summary>
    [Test]
    public async Task Dispose_ThenAnything_ThrowsObjectDisposed([Values] bool asynchronously)
    {
        Stream stream = await OpenAsync(SampleData.Bytes(1000));
        await stream.ReadExactlyAsync(new byte[10]);
        for (int i = 0; i < 2; i++)
        {
            if (asynchronously)
            {
                await stream.DisposeAsync();
            }
            else
            {
                stream.Dispose();
            }
        }

        Assert.That(stream.CanRead, Is.False);
        Assert.That(stream.CanSeek, Is.False);
        Assert.That(async () => await stream.ReadAsync(new byte[8].AsMemory()), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(
            async () => await stream.ReadAsync(new byte[8], 0, 8, CancellationToken.None), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await stream.CopyToAsync(new MemoryStream()), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => stream.Seek(0, SeekOrigin.Begin), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => stream.Position, Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => stream.Length, Throws.InstanceOf<ObjectDisposedException>());
    }
}
