using System.Buffers;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Turns messages of one kind into bytes, and bytes into messages.</summary>
/// <typeparam name="T">The kind of message.</typeparam>
public abstract class GrpcMarshaller<T>
{
    /// <summary>The exact length of a message in bytes.</summary>
    public abstract int GetSize(T message);

    /// <summary>Writes a message: as many bytes as <see cref="GetSize"/> said.</summary>
    public abstract void Write(T message, IBufferWriter<byte> destination);

    /// <summary>Reads a message.</summary>
    /// <param name="bytes">All its bytes. They change once the next message is read; what is returned may refer to them, if its users know.</param>
    /// <exception cref="FormatException">The bytes are no such message; the text says why.</exception>
    public abstract T Read(in ReadOnlySequence<byte> bytes);
}
