using System.Buffers;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Wire;

/// <summary>A message as the bytes it is: those of directories and path infos, which the model has codecs for.</summary>
internal sealed class RawMarshaller : GrpcMarshaller<ReadOnlySequence<byte>>
{
    public static RawMarshaller Instance { get; } = new();

    public override int GetSize(ReadOnlySequence<byte> message) => checked((int)message.Length);

    public override void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> destination)
    {
        foreach (ReadOnlyMemory<byte> segment in message)
        {
            destination.Write(segment.Span);
        }
    }

    public override ReadOnlySequence<byte> Read(in ReadOnlySequence<byte> bytes) => bytes;
}
