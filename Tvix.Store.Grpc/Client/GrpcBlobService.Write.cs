using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Store.Grpc.Client;

/// <content>Writing.</content>
public sealed partial class GrpcBlobService
{
    /// <summary>This: to ask takes one small message.</summary>
    public IBlobService AskedBeforeWriting => this;

    /// <inheritdoc/>
    /// <remarks>
    /// Up to <see cref="GrpcBlobServiceOptions.WriteBuffer"/> bytes stay in memory until the blob is complete, and are sent only if the
    /// server does not have them. A longer blob is sent while it is written.
    /// </remarks>
    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(new GrpcBlobWriter(this));
    }

    /// <inheritdoc/>
    public async ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        B3Digest digest = Blake3Hasher.HashData(content.Span);
        await PutAsync(digest, content, cancellationToken).ConfigureAwait(false);
        return digest;
    }

    /// <inheritdoc/>
    /// <remarks>Several at a time: <see cref="GrpcBlobServiceOptions.MaxParallelCalls"/>, for all who write together.</remarks>
    public async ValueTask PutManyAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        ArgumentOutOfRangeException.ThrowIfLessThan(digests.Length, contents.Count);
        cancellationToken.ThrowIfCancellationRequested();
        ReadOnlyMemory<byte>[] sources = [.. contents];
        Blake3Hasher.HashMany(sources, digests.Span[..sources.Length]);
        Dictionary<B3Digest, ReadOnlyMemory<byte>> distinct = new(sources.Length);
        for (int i = 0; i < sources.Length; i++)
        {
            distinct.TryAdd(digests.Span[i], sources[i]);
        }

        ParallelOptions options = new() { MaxDegreeOfParallelism = _options.MaxParallelCalls, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(distinct, options, (blob, token) => PutAsync(blob.Key, blob.Value, token)).ConfigureAwait(false);
    }

    /// <summary>Sends a blob whose digest is known, if the server does not have it.</summary>
    internal async ValueTask PutAsync(B3Digest digest, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        await _writes.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (await HasAsync(digest, cancellationToken).ConfigureAwait(false))
            {
                return;
            }

            await _writeBudget.TakeAsync(content.Length, cancellationToken).ConfigureAwait(false);
            try
            {
                await SendAsync(digest, content, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _writeBudget.Release(content.Length);
            }
        }
        finally
        {
            _writes.Release();
        }
    }

    private async ValueTask SendAsync(B3Digest digest, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        for (int attempts = 1; ; attempts++)
        {
            GrpcUpload<PutBlobResponse> upload = StartPut();
            await using (upload.ConfigureAwait(false))
            {
                try
                {
                    for (int at = 0; at < content.Length; at += _options.PieceBytes)
                    {
                        ReadOnlyMemory<byte> piece = content.Slice(at, Math.Min(_options.PieceBytes, content.Length - at));
                        await upload.SendAsync(piece, cancellationToken).ConfigureAwait(false);
                    }

                    await FinishPutAsync(upload, digest, cancellationToken).ConfigureAwait(false);
                    return;
                }
                catch (GrpcException e) when (e.StatusCode == GrpcStatusCode.Unavailable && _invoker.Retry is { } retry && attempts < retry.MaxAttempts)
                {
                    // The bytes are still here, and to store them twice does no harm.
                }
                catch (GrpcException e)
                {
                    throw StoreErrors.FromStatus(e, Writing(digest));
                }
            }

            await _invoker.Retry!.WaitAsync(attempts, cancellationToken).ConfigureAwait(false);
        }
    }

    internal GrpcBlobServiceOptions Options => _options;

    internal GrpcUpload<PutBlobResponse> StartPut() => new(_invoker, _methods.PutBlob, _stepLimit);

    /// <summary>Ends an upload, and holds the server to the digest of what was sent.</summary>
    internal static ValueTask<bool> FinishPutAsync(GrpcUpload<PutBlobResponse> upload, B3Digest digest, CancellationToken cancellationToken) =>
        upload.FinishAsync(
            answer =>
            {
                if (answer.Digest.Length != B3Digest.Size)
                {
                    throw new StorageException($"{Writing(digest)}: the server answered with a digest of {answer.Digest.Length} bytes.");
                }

                B3Digest stored = new(answer.Digest.Span);
                return stored == digest ? true : throw new DigestMismatchException(digest, stored, "as the server received it");
            },
            cancellationToken);

    internal static string Writing(B3Digest? digest) => digest is null ? "Writing a blob" : $"Writing the blob {digest}";
}
