using System.Buffers;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;
using BlobChunk = Tvix.Castore.Blobs.BlobChunk;

namespace Tvix.Store.Grpc.Server;

/// <summary>Serves blobs. Source: castore §2.3.</summary>
internal sealed class BlobServiceEndpoint(IBlobService blobs, TvixStoreGrpcOptions options, ILogger logger) : StoreEndpoint(options.IsReadOnly, logger)
{
    /// <summary>The longest message that clients take, unless told otherwise.</summary>
    internal const int LongestMessage = 4 << 20;

    /// <summary>The longest piece that fits into such a message.</summary>
    internal const int LongestPiece = 4_194_000;

    /// <summary>The shortest message of a chunk, with what comes before it: a digest, and a size of one byte.</summary>
    private const int ShortestChunkMeta = 2 + 2 + B3Digest.Size + 2;

    private readonly int _pieceSize = options.ReadPieceSize;

    public GrpcServiceDefinition Define(StoreMethods methods) => new GrpcServiceDefinition(methods.Blobs)
        .AddUnary(methods.StatBlob.Name, methods.StatBlob.Request, methods.StatBlob.Response, Unary(methods.StatBlob, StatAsync))
        .AddServerStreaming(methods.ReadBlob.Name, methods.ReadBlob.Request, methods.ReadBlob.Response, ServerStreaming(methods.ReadBlob, ReadAsync))
        .AddClientStreaming(methods.PutBlob.Name, methods.PutBlob.Request, methods.PutBlob.Response, ClientStreaming(methods.PutBlob, PutAsync));

    private async ValueTask<StatBlobResponse> StatAsync(StatBlobRequest request, CancellationToken cancellationToken)
    {
        B3Digest digest = ParseDigest(request.Digest);
        IReadOnlyList<BlobChunk> chunks = await blobs.GetChunksAsync(digest, cancellationToken).ConfigureAwait(false) ?? throw NotFound(digest);

        // The chunks are listed whether the client asks for them or not, as servers have always done. A list that is too long for a message is left out: no chunks means that none are
        // known, and the client reads the blob as a whole.
        StatBlobResponse response = new();
        if (chunks.Count <= LongestMessage / ShortestChunkMeta)
        {
            foreach (BlobChunk chunk in chunks)
            {
                response.Chunks.Add(new StatBlobResponse.Types.ChunkMeta { Digest = UnsafeByteOperations.UnsafeWrap(chunk.Digest.ToByteArray()), Size = chunk.Size });
            }
        }

        return response.CalculateSize() <= LongestMessage ? response : new StatBlobResponse();
    }

    private async Task ReadAsync(ReadBlobRequest request, IGrpcResponseWriter<ReadOnlySequence<byte>> responses, CancellationToken cancellationToken)
    {
        B3Digest digest = ParseDigest(request.Digest);
        Stream content = await blobs.OpenReadAsync(digest, cancellationToken).ConfigureAwait(false) ?? throw NotFound(digest);
        await using (content.ConfigureAwait(false))
        {
            byte[] piece = ArrayPool<byte>.Shared.Rent(_pieceSize);
            try
            {
                int length;
                do
                {
                    length = await content.ReadAtLeastAsync(piece.AsMemory(0, _pieceSize), _pieceSize, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
                    if (length > 0)
                    {
                        await responses.WriteAsync(new ReadOnlySequence<byte>(piece, 0, length), cancellationToken).ConfigureAwait(false);
                    }
                }
                while (length == _pieceSize);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(piece);
            }
        }
    }

    private async ValueTask<PutBlobResponse> PutAsync(IAsyncEnumerable<ReadOnlySequence<byte>> pieces, CancellationToken cancellationToken)
    {
        BlobWriter writer = await blobs.OpenWriteAsync(cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            // When the client breaks off, the next piece is an exception: the writer is disposed without being completed, and nothing is stored.
            await foreach (ReadOnlySequence<byte> piece in pieces.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                foreach (ReadOnlyMemory<byte> segment in piece)
                {
                    await writer.WriteAsync(segment, cancellationToken).ConfigureAwait(false);
                }
            }

            B3Digest digest = await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            return new PutBlobResponse { Digest = UnsafeByteOperations.UnsafeWrap(digest.ToByteArray()) };
        }
    }

    private static B3Digest ParseDigest(ByteString digest) => digest.Length == B3Digest.Size
        ? new B3Digest(digest.Span)
        : throw InvalidArgument($"The digest has {digest.Length} bytes instead of {B3Digest.Size}.");

    private static GrpcException NotFound(B3Digest digest) => new(GrpcStatusCode.NotFound, $"There is no blob {digest}.");
}
