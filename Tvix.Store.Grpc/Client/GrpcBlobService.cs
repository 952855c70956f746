using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;
using BlobChunk = Tvix.Castore.Blobs.BlobChunk;

namespace Tvix.Store.Grpc.Client;

/// <summary>The blobs of a server: the client of its <c>BlobService</c>. Spec: castore §2.7.</summary>
/// <remarks>
/// <para>The server is not trusted: what it sends is held to its digest. Chunks are checked before any of their bytes is handed out; a blob
/// that comes in one piece is checked as a whole, before if it is held in memory (<see cref="GrpcBlobServiceOptions.MaxBufferedBlob"/>),
/// else by the read that reaches its end.</para>
/// <para>What the server has is not sent again: the server is asked first where the digest is known before the bytes are sent. An upload
/// that is abandoned is cancelled.</para>
/// <para>Safe for concurrent use. It owns nothing; the invoker stays the caller's.</para>
/// </remarks>
public sealed partial class GrpcBlobService : IBlobService
{
    private static readonly B3Digest s_emptyBlob = Blake3Hasher.HashData([]);

    private readonly IGrpcInvoker _invoker;
    private readonly GrpcBlobServiceOptions _options;
    private readonly StoreMethods _methods;
    private readonly GrpcCallOptions _call;
    private readonly StepLimit _stepLimit;
    private readonly ChunkReadAhead _readAhead;
    private readonly SemaphoreSlim _writes;
    private readonly ByteBudget _writeBudget;

    /// <summary>Makes a client.</summary>
    /// <param name="invoker">Makes the calls, as <see cref="GrpcChannel"/> does.</param>
    /// <param name="options">Settings; <see langword="null"/> for the defaults. They are not looked at again.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "A semaphore without a wait handle holds nothing.")]
    public GrpcBlobService(IGrpcInvoker invoker, GrpcBlobServiceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(invoker);
        _options = options ?? new GrpcBlobServiceOptions();
        _options.Validate();
        _invoker = invoker;
        _methods = StoreMethods.Of(_options.Package);
        _call = new GrpcCallOptions(Timeout: _options.Timeout);
        _stepLimit = new StepLimit(_options.Timeout);
        _readAhead = new ChunkReadAhead(_options.MaxParallelCalls, _options.BufferBytes);
        _writes = new SemaphoreSlim(_options.MaxParallelCalls);
        _writeBudget = new ByteBudget(_options.BufferBytes);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        await StatAsync(digest, sendChunks: false, static _ => "", cancellationToken).ConfigureAwait(false) is not null;

    /// <inheritdoc/>
    /// <remarks>One call for each different blob, several at a time: <see cref="GrpcBlobServiceOptions.MaxParallelCalls"/>.</remarks>
    public async ValueTask HasManyAsync(IReadOnlyList<B3Digest> digests, Memory<bool> found, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(digests);
        ArgumentOutOfRangeException.ThrowIfLessThan(found.Length, digests.Count);
        cancellationToken.ThrowIfCancellationRequested();
        ConcurrentDictionary<B3Digest, bool> answers = new();
        ParallelOptions options = new() { MaxDegreeOfParallelism = _options.MaxParallelCalls, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(
            digests.Distinct(),
            options,
            async (digest, token) => answers[digest] = await HasAsync(digest, token).ConfigureAwait(false)).ConfigureAwait(false);
        for (int i = 0; i < digests.Count; i++)
        {
            found.Span[i] = answers[digests[i]];
        }
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        StatAsync(digest, sendChunks: true, answer => ReadChunks(digest, answer), cancellationToken);

    /// <inheritdoc/>
    /// <remarks>
    /// <para>A blob that the server keeps in several chunks is read chunk by chunk, ahead of a reader who goes straight on; such a reader
    /// also gets the digest of the whole checked. A blob in one piece that is too long for memory is streamed: a seek back reads it again
    /// from its start and skips, and when the server does not say how long it is, it is read through once when it is opened.</para>
    /// </remarks>
    public async ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        switch (await GetChunksAsync(digest, cancellationToken).ConfigureAwait(false))
        {
            case null:
                return null;
            case { Count: > 1 } chunks:
                return ChunkedBlobStream.OverRemote(this, digest, chunks, _options.MaxChunkBytes, _readAhead);
            case [{ Size: var size }] when size > (ulong)_options.MaxBufferedBlob:
                return new GrpcBlobStream(_invoker, _methods, digest, (long)size, _stepLimit);
        }

        (BlobContent? content, long length) =
            await ReadOrMeasureAsync(digest, _options.MaxBufferedBlob, measure: true, cancellationToken).ConfigureAwait(false);
        return content is not null ? new BlobContentStream(content)
            : length >= 0 ? new GrpcBlobStream(_invoker, _methods, digest, length, _stepLimit)
            : null;
    }

    /// <inheritdoc/>
    /// <remarks>One call: the server is not asked for chunks.</remarks>
    public async ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        (BlobContent? content, long length) = await ReadOrMeasureAsync(digest, maxBytes, measure: false, cancellationToken).ConfigureAwait(false);
        return content is null && length >= 0 ? throw new BlobTooLongException(digest, maxBytes, length) : content;
    }

    private async ValueTask<T?> StatAsync<T>(B3Digest digest, bool sendChunks, Func<StatBlobResponse, T> read, CancellationToken cancellationToken)
        where T : class
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            StatBlobRequest request = new() { Digest = DigestBytes(digest), SendChunks = sendChunks };
            return await _invoker.UnaryAsync(_methods.StatBlob, request, read, _call, cancellationToken).ConfigureAwait(false);
        }
        catch (GrpcException e) when (e.StatusCode == GrpcStatusCode.NotFound)
        {
            return null;
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, $"Asking for the blob {digest}");
        }
    }

    private static IReadOnlyList<BlobChunk> ReadChunks(B3Digest digest, StatBlobResponse answer)
    {
        BlobChunk[] chunks = new BlobChunk[answer.Chunks.Count];
        ulong total = 0;
        for (int i = 0; i < chunks.Length; i++)
        {
            StatBlobResponse.Types.ChunkMeta chunk = answer.Chunks[i];
            if (chunk.Digest.Length != B3Digest.Size)
            {
                throw new StorageException($"The server's list of the chunks of {digest} has a digest of {chunk.Digest.Length} bytes, at {i}.");
            }

            if (chunk.Size > long.MaxValue - total)
            {
                throw new StorageException($"The server's list of the chunks of {digest} adds up to more than a blob can be.");
            }

            if (chunk.Size == 0 && !(chunks.Length == 1 && digest == s_emptyBlob))
            {
                throw new StorageException($"The server's list of the chunks of {digest} has one of no bytes, at {i}.");
            }

            total += chunk.Size;
            chunks[i] = new BlobChunk(new B3Digest(chunk.Digest.Span), chunk.Size);
        }

        if (chunks.Length == 1 && chunks[0].Digest != digest)
        {
            throw new StorageException($"The server says that the blob {digest} consists of one other, {chunks[0].Digest}.");
        }

        return total == 0 ? [] : chunks;
    }

    /// <summary>Reads a blob into memory, unless it is longer than it may be.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="maxBytes">How long it may be.</param>
    /// <param name="measure">Whether a longer one is read to its end nevertheless, to find out its length.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The contents, verified; or else a length beyond the limit, exact if it was measured; or else -1 when the blob is not
    /// there.</returns>
    private async ValueTask<(BlobContent? Content, long Length)> ReadOrMeasureAsync(
        B3Digest digest, int maxBytes, bool measure, CancellationToken cancellationToken)
    {
        const int FirstBuffer = 1 << 20;

        cancellationToken.ThrowIfCancellationRequested();
        ReadBlobRequest request = new() { Digest = DigestBytes(digest) };

        // All that comes is taken at once, so the whole call is limited: a server that sends without end must not be listened to for ever.
        GrpcDownload download = new(
            token => _invoker.ServerStreamingAsync(_methods.ReadBlob, request, _call, token), Reading(digest), timeout: null, cancellationToken);
        byte[]? buffer = null;
        Blake3Hasher? hasher = null; // of a blob that is too long
        long length = 0;
        try
        {
            await using (download.ConfigureAwait(false))
            {
                while (await download.MoveNextAsync().ConfigureAwait(false))
                {
                    ReadOnlySequence<byte> piece = download.Current;
                    if (piece.Length > maxBytes - length && hasher is null)
                    {
                        if (!measure)
                        {
                            return (null, length + piece.Length);
                        }

                        hasher = new Blake3Hasher();
                        hasher.AppendData(buffer.AsSpan(0, (int)length));
                    }

                    if (hasher is not null)
                    {
                        foreach (ReadOnlyMemory<byte> segment in piece)
                        {
                            hasher.AppendData(segment.Span);
                        }
                    }
                    else
                    {
                        Append(ref buffer, (int)length, piece, Math.Min(maxBytes, FirstBuffer), maxBytes);
                    }

                    length += piece.Length;
                }
            }

            if (download.IsNotFound)
            {
                return (null, -1);
            }

            B3Digest actual = hasher?.GetCurrentDigest() ?? Blake3Hasher.HashData(buffer.AsSpan(0, (int)length));
            if (actual != digest)
            {
                throw new DigestMismatchException(digest, actual, "as the server sent it");
            }

            if (hasher is not null)
            {
                return (null, length);
            }

            BlobContent content = BlobContent.OfRented(buffer ?? ArrayPool<byte>.Shared.Rent(0), (int)length);
            buffer = null;
            return (content, length);
        }
        finally
        {
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    private static void Append(ref byte[]? buffer, int length, ReadOnlySequence<byte> piece, int firstSize, int maxBytes)
    {
        if (buffer is null || buffer.Length - length < piece.Length)
        {
            // What has come so far is doubled at most; what somebody says will come counts for nothing.
            long wanted = Math.Max(Math.Max(length + piece.Length, firstSize), Math.Min(2L * length, Math.Min(maxBytes, Array.MaxLength)));
            byte[] larger = ArrayPool<byte>.Shared.Rent((int)wanted);
            if (buffer is not null)
            {
                buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
            }

            buffer = larger;
        }

        piece.CopyTo(buffer.AsSpan(length));
    }

    internal static string Reading(B3Digest digest) => $"Reading the blob {digest}";

    internal static ByteString DigestBytes(B3Digest digest) => UnsafeByteOperations.UnsafeWrap(digest.ToByteArray());
}
