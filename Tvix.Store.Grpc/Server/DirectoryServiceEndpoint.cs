using System.Buffers;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Store.Grpc.Server;

/// <summary>Serves directories. Source: castore §2.4.</summary>
internal sealed class DirectoryServiceEndpoint(IDirectoryService directories, TvixStoreGrpcOptions options, ILogger logger) : StoreEndpoint(options.IsReadOnly, logger)
{
    public GrpcServiceDefinition Define(StoreMethods methods) => new GrpcServiceDefinition(methods.Directories)
        .AddServerStreaming(methods.GetDirectory.Name, methods.GetDirectory.Request, methods.GetDirectory.Response, ServerStreaming(methods.GetDirectory, GetAsync))
        .AddClientStreaming(methods.PutDirectory.Name, methods.PutDirectory.Request, methods.PutDirectory.Response, ClientStreaming(methods.PutDirectory, PutAsync));

    private async Task GetAsync(GetDirectoryRequest request, IGrpcResponseWriter<ReadOnlySequence<byte>> responses, CancellationToken cancellationToken)
    {
        if (request.ByWhatCase != GetDirectoryRequest.ByWhatOneofCase.Digest)
        {
            throw InvalidArgument("The request does not say which directory.");
        }

        if (request.Digest.Length != B3Digest.Size)
        {
            throw InvalidArgument($"The digest has {request.Digest.Length} bytes instead of {B3Digest.Size}.");
        }

        B3Digest digest = new(request.Digest.Span);
        if (!request.Recursive)
        {
            CastoreDirectory directory = await directories.GetAsync(digest, cancellationToken).ConfigureAwait(false)
                ?? throw new GrpcException(GrpcStatusCode.NotFound, $"There is no directory {digest}.");
            await responses.WriteAsync(new ReadOnlySequence<byte>(directory.Encode()), cancellationToken).ConfigureAwait(false);
            return;
        }

        // A root that is not there is an empty stream, not NOT_FOUND.
        await foreach (CastoreDirectory directory in directories.GetClosureAsync(digest, cancellationToken).WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            await responses.WriteAsync(new ReadOnlySequence<byte>(directory.Encode()), cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<PutDirectoryResponse> PutAsync(IAsyncEnumerable<ReadOnlySequence<byte>> messages, CancellationToken cancellationToken)
    {
        // The putter checks order, sizes and that there is one root, and stores nothing before it is completed: that is its contract, so nothing is gathered here.
        DirectoryPutter putter = directories.OpenPutter();
        await using (putter.ConfigureAwait(false))
        {
            await foreach (ReadOnlySequence<byte> message in messages.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                await putter.PutAsync(Decode(message), cancellationToken).ConfigureAwait(false);
            }

            B3Digest root = await putter.CompleteAsync(cancellationToken).ConfigureAwait(false);
            return new PutDirectoryResponse { RootDigest = UnsafeByteOperations.UnsafeWrap(root.ToByteArray()) };
        }
    }

    private static CastoreDirectory Decode(in ReadOnlySequence<byte> message)
    {
        if (message.IsSingleSegment)
        {
            return CastoreDirectory.Decode(message.FirstSpan);
        }

        int length = (int)message.Length; // limited when the message was received
        byte[] whole = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            message.CopyTo(whole);
            return CastoreDirectory.Decode(whole.AsSpan(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(whole);
        }
    }
}
