using System.Buffers;
using Google.Protobuf;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;
using Tvix.Testing;
using Tvix.Testing.Fuzzing;

namespace Tvix.Store.Grpc.Tests.Protocol;

/// <summary>Judged by the message that protoc made.</summary>
[TestFixture]
public sealed class BlobPieceMarshallerTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(127)]
    [TestCase(128)]
    [TestCase(16383)]
    [TestCase(16384)]
    [TestCase(2097151)]
    [TestCase(2097152)]
    public void Write_AnySize_IsWhatProtobufWrites(int size)
    {
        byte[] data = SampleData.Bytes(size, size);
        using PooledBuffer written = new();
        BlobPieceMarshaller.Instance.Write(new ReadOnlySequence<byte>(data), written);
        Assert.That(written.WrittenMemory.ToArray(), Is.EqualTo(new BlobChunk { Data = ByteString.CopyFrom(data) }.ToByteArray()));
        Assert.That(BlobPieceMarshaller.Instance.GetSize(new ReadOnlySequence<byte>(data)), Is.EqualTo(written.WrittenCount));
        Assert.That(BlobPieceMarshaller.Instance.Read(new ReadOnlySequence<byte>(written.WrittenMemory)).ToArray(), Is.EqualTo(data));
    }

    [Test]
    public void Read_OtherFieldsAndSeveralOfOne_TakesTheLast()
    {
        byte[] message = [0x10, 0x96, 0x01, 0x0a, 0x01, 0x05, 0x1a, 0x02, 9, 9, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 0x02, 0x06, 0x07, 0x2d, 1, 2, 3, 4];
        Assert.That(BlobChunk.Parser.ParseFrom(message).Data.ToByteArray(), Is.EqualTo(new byte[] { 6, 7 }));
        Assert.That(BlobPieceMarshaller.Instance.Read(new ReadOnlySequence<byte>(message)).ToArray(), Is.EqualTo(new byte[] { 6, 7 }));
    }

    [Test]
    public void Read_DamagedMessages_AreWhatProtobufMakesOfThemOrRefused()
    {
        byte[] good = [0x10, 0x96, 0x01, 0x0a, 0x20, .. SampleData.Bytes(32, 1), 0x1a, 0x02, 9, 9];
        Mutator mutator = new(20261122, [good]);
        int refused = 0, read = 0;
        for (int i = 0; i < 100_000; i++)
        {
            byte[] bytes = mutator.Next();
            byte[]? expected = null;
            try
            {
                expected = BlobChunk.Parser.ParseFrom(bytes).Data.ToByteArray();
            }
            catch (Exception e) when (e is InvalidProtocolBufferException or ArgumentException or IndexOutOfRangeException)
            {
            }

            try
            {
                byte[] data = BlobPieceMarshaller.Instance.Read(new ReadOnlySequence<byte>(bytes)).ToArray();
                Assert.That(data, Is.EqualTo(expected), () => Convert.ToHexString(bytes));
                read++;
            }
            catch (FormatException)
            {
                // Stricter than protobuf in two things that no encoder makes: groups, and data that is not bytes.
                refused++;
            }
        }

        Assert.That(refused, Is.GreaterThan(1000));
        Assert.That(read, Is.GreaterThan(1000));
    }
}
