using System.Buffers;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using NodeMessage = Tvix.Store.Grpc.Protos.Tvix.Castore.V1.Node;
using PathInfo = Tvix.Store.PathInfos.PathInfo;

namespace Tvix.Store.Grpc.Server;

/// <summary>Serves path infos. Source: store-services §2.</summary>
internal sealed class PathInfoServiceEndpoint(IPathInfoService pathInfos, INarCalculationService narCalculation, TvixStoreGrpcOptions options, ILogger logger)
    : StoreEndpoint(options.IsReadOnly, logger)
{
    public GrpcServiceDefinition Define(StoreMethods methods) => new GrpcServiceDefinition(methods.PathInfos)
        .AddUnary(methods.GetPathInfo.Name, methods.GetPathInfo.Request, methods.GetPathInfo.Response, Unary(methods.GetPathInfo, GetAsync))
        .AddUnary(methods.PutPathInfo.Name, methods.PutPathInfo.Request, methods.PutPathInfo.Response, Unary(methods.PutPathInfo, PutAsync))
        .AddUnary(methods.CalculateNar.Name, methods.CalculateNar.Request, methods.CalculateNar.Response, Unary(methods.CalculateNar, CalculateNarAsync))
        .AddServerStreaming(methods.ListPathInfos.Name, methods.ListPathInfos.Request, methods.ListPathInfos.Response, ServerStreaming(methods.ListPathInfos, ListAsync));

    private async ValueTask<ReadOnlySequence<byte>> GetAsync(GetPathInfoRequest request, CancellationToken cancellationToken)
    {
        if (request.ByWhatCase != GetPathInfoRequest.ByWhatOneofCase.ByOutputHash)
        {
            // A way of asking that is newer than this server, as other servers say too.
            throw new GrpcException(GrpcStatusCode.Unimplemented, "The request does not say which path info, in a way that is known here.");
        }

        if (request.ByOutputHash.Length != StorePathDigest.Size)
        {
            throw InvalidArgument($"The digest has {request.ByOutputHash.Length} bytes instead of {StorePathDigest.Size}.");
        }

        StorePathDigest digest = new(request.ByOutputHash.Span);
        PathInfo info = await pathInfos.GetAsync(digest, cancellationToken).ConfigureAwait(false)
            ?? throw new GrpcException(GrpcStatusCode.NotFound, $"There is no path info {digest}.");
        return new ReadOnlySequence<byte>(info.Encode());
    }

    private async ValueTask<ReadOnlySequence<byte>> PutAsync(ReadOnlySequence<byte> message, CancellationToken cancellationToken)
    {
        // What the client says of the NAR is stored as it is, but not taken over as a result of CalculateNAR: it is a claim, and a wrong one would spread to the path infos of others.
        PathInfo info = PathInfo.Decode(message.IsSingleSegment ? message.FirstSpan : message.ToArray());
        PathInfo stored = await pathInfos.PutAsync(info, cancellationToken).ConfigureAwait(false);
        return new ReadOnlySequence<byte>(stored.Encode());
    }

    private async ValueTask<CalculateNARResponse> CalculateNarAsync(NodeMessage request, CancellationToken cancellationToken)
    {
        Node root;
        try
        {
            root = NodeMessages.Decode(request);
        }
        catch (InvalidDirectoryException e)
        {
            throw StoreErrors.ToStatus(e, isUpload: true); // although the method uploads nothing
        }

        try
        {
            NarDigest nar = await narCalculation.CalculateAsync(root, cancellationToken).ConfigureAwait(false);
            return new CalculateNARResponse { NarSize = nar.Size, NarSha256 = UnsafeByteOperations.UnsafeWrap(nar.Sha256.ToByteArray()) };
        }
        catch (StorageException e) when (e.InnerException is GrpcException { StatusCode: GrpcStatusCode.NotFound })
        {
            // A server behind this one calculated, and misses something of the tree.
            throw new GrpcException(GrpcStatusCode.NotFound, e.Message, e);
        }
    }

    private async Task ListAsync(ListPathInfoRequest request, IGrpcResponseWriter<ReadOnlySequence<byte>> responses, CancellationToken cancellationToken)
    {
        await foreach (PathInfo info in pathInfos.ListAsync(cancellationToken).WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            await responses.WriteAsync(new ReadOnlySequence<byte>(info.Encode()), cancellationToken).ConfigureAwait(false);
        }
    }
}
