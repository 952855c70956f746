using System.Net;
using System.Net.Http.Headers;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>The body of a request.</summary>
internal abstract class GrpcRequestContent : HttpContent
{
    protected GrpcRequestContent() => Headers.ContentType = new MediaTypeHeaderValue(GrpcHttp.ContentType);

    protected sealed override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected abstract override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken);

    protected sealed override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }
}
