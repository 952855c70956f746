using System.Buffers;
using System.IO.Pipelines;
using Google.Protobuf;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Wire;
using Tvix.Testing;
using Tvix.Testing.Fuzzing;

namespace Tvix.Store.Grpc.Tests.Protocol;

/// <summary>Both readers of messages: over a pipe and over a stream.</summary>
[TestFixture]
public sealed class GrpcFrameTests
{
    private const int MaxSize = 100_000;

    [Test]
    public async Task ReadAsync_MessagesInPiecesOfAnySize_AreAllThere([Values(1, 2, 5, 6, 1000, 1 << 20)] int piece, [Values] bool compress, [Values] bool overPipe)
    {
        List<byte[]> messages = [.. new[] { 0, 1, 4, 5, 100, 16_379, 16_384, 70_000, MaxSize, 0 }.Select((size, i) => SampleData.Bytes(size, i))];
        using PooledBuffer body = new();
        foreach (byte[] message in messages)
        {
            GrpcFrame.Write(RawMarshaller.Instance, new ReadOnlySequence<byte>(message), body, compress, null);
        }

        List<byte[]> read = await ReadAllAsync(body.WrittenMemory.ToArray(), piece, isGzip: compress, overPipe);
        Assert.That(read, Is.EqualTo(messages));
    }

    [Test]
    public void ReadAsync_BodyThatBreaksOff_IsInternal([Values(1, 4, 5, 6, 14)] int length, [Values] bool overPipe)
    {
        byte[] body = [0, 0, 0, 0, 10, .. SampleData.Bytes(10, 1)];
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await ReadAllAsync(body[..length], 3, false, overPipe))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Internal));
    }

    [Test]
    public void ReadAsync_MessageBeyondTheLimit_IsResourceExhaustedBeforeItIsRead([Values] bool overPipe)
    {
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await ReadAllAsync([0, 0xff, 0xff, 0xff, 0xff], 5, false, overPipe))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.ResourceExhausted));
        Assert.That(e.Message, Does.Contain("4294967295").And.Contain("100000"));
    }

    [Test]
    public void ReadAsync_CompressedMessageBeyondTheLimit_IsResourceExhausted([Values] bool overPipe)
    {
        using PooledBuffer body = new();
        GrpcFrame.Write(RawMarshaller.Instance, new ReadOnlySequence<byte>(new byte[MaxSize + 1]), body, compress: true, null);
        Assert.That(body.WrittenCount, Is.LessThan(2000));
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await ReadAllAsync(body.WrittenMemory.ToArray(), 1 << 16, true, overPipe))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.ResourceExhausted));
    }

    [TestCase(new byte[] { 2, 0, 0, 0, 0 }, true)] // neither compressed nor not
    [TestCase(new byte[] { 1, 0, 0, 0, 1, 7 }, false)] // compressed, without an encoding
    [TestCase(new byte[] { 1, 0, 0, 0, 3, 7, 8, 9 }, true)] // no gzip
    public void ReadAsync_Nonsense_IsInternal(byte[] body, bool isGzip)
    {
        foreach (bool overPipe in (bool[])[false, true])
        {
            GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await ReadAllAsync(body, 100, isGzip, overPipe))!;
            Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Internal));
        }
    }

    [Test]
    public void Write_MessageBeyondTheLimit_IsResourceExhausted()
    {
        using PooledBuffer body = new();
        GrpcException e = Assert.Throws<GrpcException>(() => GrpcFrame.Write(RawMarshaller.Instance, new ReadOnlySequence<byte>(new byte[11]), body, false, 10))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.ResourceExhausted));
        Assert.That(body.WrittenCount, Is.Zero);
    }

    [Test]
    public async Task ReadAsync_DamagedBodies_GiveMessagesOrAStatus()
    {
        using PooledBuffer body = new();
        for (int i = 0; i < 6; i++)
        {
            GrpcFrame.Write(RawMarshaller.Instance, new ReadOnlySequence<byte>(SampleData.Bytes(i * 37, i)), body, compress: i % 2 == 0, null);
        }

        byte[] good = body.WrittenMemory.ToArray();
        Mutator mutator = new(20261122, [good]);
        int refused = 0;
        for (int i = 0; i < 4000; i++)
        {
            byte[] bad = mutator.Next();
            try
            {
                await ReadAllAsync(bad, 64, isGzip: true, overPipe: i % 2 == 0);
            }
            catch (GrpcException e) when (e.StatusCode is GrpcStatusCode.Internal or GrpcStatusCode.ResourceExhausted)
            {
                refused++;
            }
        }

        Assert.That(refused, Is.InRange(500, 3999));
    }

    private static async Task<List<byte[]>> ReadAllAsync(byte[] body, int piece, bool isGzip, bool overPipe)
    {
        List<byte[]> messages = [];
        if (overPipe)
        {
            PipeReader pipe = PipeReader.Create(new PieceStream(body, piece), new StreamPipeReaderOptions(bufferSize: 64, minimumReadSize: 1));
            using GrpcPipeFrameReader reader = new(pipe, MaxSize) { IsGzip = isGzip };
            while (await reader.ReadAsync(default) is { } message)
            {
                messages.Add(message.ToArray());
            }
        }
        else
        {
            using GrpcStreamFrameReader reader = new(new PieceStream(body, piece), MaxSize, isGzip);
            while (await reader.ReadAsync(default) is { } message)
            {
                messages.Add(message.ToArray());
            }
        }

        return messages;
    }

    /// <summary>Gives at most so many bytes at once.</summary>
    private sealed class PieceStream(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, piece)], cancellationToken);
    }
}
