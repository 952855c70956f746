using System.Buffers;
using Google.Protobuf;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Marshals messages that protoc made. Unknown fields are dropped.</summary>
internal sealed class ProtobufMarshaller<T>(MessageParser<T> parser) : GrpcMarshaller<T>
    where T : IMessage<T>
{
    private readonly MessageParser<T> _parser = parser.WithDiscardUnknownFields(true);

    public override int GetSize(T message) => message.CalculateSize();

    public override void Write(T message, IBufferWriter<byte> destination) => message.WriteTo(destination);

    public override T Read(in ReadOnlySequence<byte> bytes)
    {
        try
        {
            return _parser.ParseFrom(bytes);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or ArgumentException or IndexOutOfRangeException)
        {
            // The parser lets the latter two escape for some lengths that reach beyond the end.
            throw new FormatException($"Not a message of type {typeof(T).Name}: {e.Message}", e);
        }
    }
}
