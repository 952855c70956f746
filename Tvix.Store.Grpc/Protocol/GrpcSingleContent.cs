using System.Net;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>A request body of one message, which goes out with the headers and the end of the stream.</summary>
internal sealed class GrpcSingleContent(ReadOnlyMemory<byte> frame) : GrpcRequestContent
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        stream.WriteAsync(frame, cancellationToken).AsTask();
}
