using System.Buffers;
using System.Numerics;
using System.Threading.Channels;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.Copy;

/// <summary>
/// Brings blobs to the target: each is looked up there once, whoever needs it, and what is not there is read from the source, small ones in batches.
/// </summary>
/// <remarks>
/// <code>
/// requests → look up ─┬→ small: read → store, many at a time
///                     └→ large: stream
/// </code>
/// Every stage has a few workers and a queue before it. The queues are short, but for that of contents that were read, which the byte budget bounds.
/// </remarks>
internal sealed class BlobMover(IBlobService source, IBlobService target, CopyOptions options, CopyCounters counters, StoreDirectory storeDirectory)
{
    private const int StreamBufferBytes = 256 << 10;
    private const int MaxBatchCount = 1024;

    // To forget what is there costs no more than another look-up.
    private const int MaxRemembered = 250_000;

    private readonly IBlobService _asked = ServiceCapabilities.WrittenTo(target);
    private readonly Lock _gate = new();
    private readonly Dictionary<B3Digest, List<ContentsPending>> _underWay = [];
    private readonly HashSet<B3Digest> _there = [];

    private readonly ByteBudget _budget = new(options.BufferBytes);
    private readonly Channel<Request> _requests = Channel.CreateBounded<Request>(1024);
    private readonly Channel<Request> _small = Channel.CreateBounded<Request>(256);
    private readonly Channel<Request> _large = Channel.CreateBounded<Request>(256);
    private readonly Channel<Loaded> _loaded = Channel.CreateUnbounded<Loaded>();

    private readonly record struct Request(B3Digest Digest, ulong Size, StorePath Path);

    private readonly record struct Loaded(B3Digest Digest, BlobContent Content, long Charge);

    /// <summary>Runs until everything that was asked for is in the target, after <see cref="Complete"/> was called.</summary>
    public async Task RunAsync(CopyFailure failure, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(
                RunStageAsync(options.ConcurrentLookups, LookUpAsync, failure, cancellationToken, () =>
                {
                    _small.Writer.Complete();
                    _large.Writer.Complete();
                }),
                RunStageAsync(options.ConcurrentReads, ReadAsync, failure, cancellationToken, () => _loaded.Writer.Complete()),
                RunStageAsync(options.ConcurrentWrites, StoreAsync, failure, cancellationToken),
                RunStageAsync(options.ConcurrentWrites, StreamAsync, failure, cancellationToken)).ConfigureAwait(false);
        }
        finally
        {
            while (_loaded.Reader.TryRead(out Loaded left))
            {
                left.Content.Dispose();
            }
        }
    }

    /// <summary>Says that nothing more is asked for.</summary>
    public void Complete() => _requests.Writer.Complete();

    /// <summary>Asks for the contents of a file; <paramref name="pending"/> is told when they are in the target.</summary>
    public ValueTask RequestAsync(Node.File file, ContentsPending pending, CancellationToken cancellationToken)
    {
        bool isNew = false;
        lock (_gate)
        {
            if (!_there.Contains(file.Digest))
            {
                pending.Add();
                if (_underWay.TryGetValue(file.Digest, out List<ContentsPending>? waiting))
                {
                    waiting.Add(pending);
                }
                else
                {
                    _underWay.Add(file.Digest, [pending]);
                    isNew = true;
                }
            }
        }

        if (isNew)
        {
            return _requests.Writer.WriteAsync(new Request(file.Digest, file.Size, pending.Path), cancellationToken);
        }

        counters.AddSaved(file.Size);
        return ValueTask.CompletedTask;
    }

    private static async Task RunStageAsync(
        int workers, Func<CancellationToken, Task> work, CopyFailure failure, CancellationToken cancellationToken, Action? end = null)
    {
        try
        {
            // On threads of their own, since a service may answer at once.
            await Task.WhenAll(Enumerable.Range(0, workers)
                .Select(_ => failure.GuardAsync(Task.Run(() => work(cancellationToken), CancellationToken.None)))).ConfigureAwait(false);
        }
        finally
        {
            end?.Invoke();
        }
    }

    private async Task LookUpAsync(CancellationToken cancellationToken)
    {
        await foreach (Request request in _requests.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            if (await _asked.HasAsync(request.Digest, cancellationToken).ConfigureAwait(false))
            {
                counters.AddSaved(request.Size);
                Arrived(request.Digest);
            }
            else
            {
                Channel<Request> next = request.Size <= options.LargestSmallBlob ? _small : _large;
                await next.Writer.WriteAsync(request, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        await foreach (Request request in _small.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            // What a pool lends for so many bytes, and the bookkeeping of the very small.
            int size = (int)request.Size;
            long charge = BitOperations.RoundUpToPowerOf2((uint)Math.Max(size, 256));
            await _budget.TakeAsync(charge, cancellationToken).ConfigureAwait(false);
            BlobContent content;
            try
            {
                content = await source.ReadAsync(request.Digest, size, cancellationToken).ConfigureAwait(false) ?? throw Missing(request);
            }
            catch (BlobTooLongException e)
            {
                throw WrongLength(request, e);
            }

            if (content.Memory.Length != size)
            {
                content.Dispose();
                throw WrongLength(request);
            }

            await _loaded.Writer.WriteAsync(new Loaded(request.Digest, content, charge), cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task StoreAsync(CancellationToken cancellationToken)
    {
        // Whatever has come is stored together: the longer storing takes, the more comes meanwhile, and the larger is the next batch.
        List<Loaded> batch = [];
        while (await _loaded.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                long charge = 0;
                while (batch.Count < MaxBatchCount && charge < options.BufferBytes / 8 && _loaded.Reader.TryRead(out Loaded next))
                {
                    batch.Add(next);
                    charge += next.Charge;
                }

                if (batch.Count > 0)
                {
                    await StoreAsync(batch, cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                foreach (Loaded stored in batch)
                {
                    stored.Content.Dispose();
                    _budget.Release(stored.Charge);
                }

                batch.Clear();
            }
        }
    }

    private async Task StoreAsync(List<Loaded> batch, CancellationToken cancellationToken)
    {
        B3Digest[] digests = new B3Digest[batch.Count];
        ReadOnlyMemory<byte>[] contents = [.. batch.Select(blob => (ReadOnlyMemory<byte>)blob.Content.Memory)];
        await target.PutManyAsync(contents, digests, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < digests.Length; i++)
        {
            Check(batch[i].Digest, digests[i]);
        }

        counters.AddBlobs(digests.Length, contents.Sum(content => (long)content.Length));
        foreach (Loaded blob in batch)
        {
            Arrived(blob.Digest);
        }
    }

    private async Task StreamAsync(CancellationToken cancellationToken)
    {
        await foreach (Request request in _large.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            (IReadOnlyList<BlobChunk> chunks, long saved) = await FindChunksAsync(request, cancellationToken).ConfigureAwait(false);
            long charge = (2 * StreamBufferBytes) + (4 * (long)chunks.Select(chunk => chunk.Size).DefaultIfEmpty().Max());
            await _budget.TakeAsync(charge, cancellationToken).ConfigureAwait(false);
            try
            {
                Stream contents = chunks.Count > 0
                    ? new ChunkedBlobStream(new CombinedBlobService(near: target, far: source), chunks)
                    : await source.OpenReadAsync(request.Digest, cancellationToken).ConfigureAwait(false) ?? throw Missing(request);
                await using (contents.ConfigureAwait(false))
                {
                    await StreamAsync(request, contents, saved, cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                _budget.Release(charge);
            }

            counters.AddBlobs(1, 0); // the bytes are counted as they flow
            Arrived(request.Digest);
        }
    }

    /// <summary>The chunks of a blob, if the target has some of them, and how many bytes those have; otherwise none.</summary>
    private async ValueTask<(IReadOnlyList<BlobChunk> Chunks, long Saved)> FindChunksAsync(Request request, CancellationToken cancellationToken)
    {
        if (!options.ReadChunksFromTarget)
        {
            return ([], 0);
        }

        IReadOnlyList<BlobChunk> chunks = await source.GetChunksAsync(request.Digest, cancellationToken).ConfigureAwait(false) ?? throw Missing(request);
        if (chunks.Any(chunk => chunk.Size > ChunkedBlobStream.DefaultMaxChunkBytes))
        {
            return ([], 0);
        }

        HashSet<B3Digest> there = [];
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = options.ConcurrentLookups, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(chunks.Select(chunk => chunk.Digest).Distinct(), parallel, async (digest, token) =>
        {
            if (await target.HasAsync(digest, token).ConfigureAwait(false))
            {
                lock (there)
                {
                    there.Add(digest);
                }
            }
        }).ConfigureAwait(false);
        return there.Count > 0 ? (chunks, chunks.Where(chunk => there.Contains(chunk.Digest)).Sum(chunk => (long)chunk.Size)) : ([], 0);
    }

    /// <summary>Writes a stream to the target, reading the next piece while one is written.</summary>
    private async ValueTask StreamAsync(Request request, Stream contents, long saved, CancellationToken cancellationToken)
    {
        BlobWriter writer = await target.OpenWriteAsync(cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            byte[][] buffers = [ArrayPool<byte>.Shared.Rent(StreamBufferBytes), ArrayPool<byte>.Shared.Rent(StreamBufferBytes)];
            Task<int> reading = Task.FromResult(0);
            try
            {
                ulong length = 0;
                int current = 0;
                reading = ReadAsync(buffers[0]);
                for (int count; (count = await reading.ConfigureAwait(false)) > 0; current ^= 1)
                {
                    length += (ulong)count;
                    if (length > request.Size)
                    {
                        throw WrongLength(request);
                    }

                    reading = ReadAsync(buffers[current ^ 1]);
                    await writer.WriteAsync(buffers[current].AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                    int fromTarget = (int)Math.Min(saved, count);
                    saved -= fromTarget;
                    counters.AddBytes(count - fromTarget, fromTarget);
                }

                if (length != request.Size)
                {
                    throw WrongLength(request);
                }
            }
            finally
            {
                // A read that is under way still has its buffer.
                await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                ArrayPool<byte>.Shared.Return(buffers[0]);
                ArrayPool<byte>.Shared.Return(buffers[1]);
            }

            Check(request.Digest, await writer.CompleteAsync(cancellationToken).ConfigureAwait(false));
        }

        Task<int> ReadAsync(byte[] buffer) => contents
            .ReadAtLeastAsync(buffer.AsMemory(0, StreamBufferBytes), StreamBufferBytes, throwOnEndOfStream: false, cancellationToken).AsTask();
    }

    /// <summary>Tells all who wait for a blob that the target has it.</summary>
    private void Arrived(B3Digest digest)
    {
        List<ContentsPending>? waiting;
        lock (_gate)
        {
            _underWay.Remove(digest, out waiting);
            if (_there.Count == MaxRemembered)
            {
                _there.Clear();
            }

            _there.Add(digest);
        }

        foreach (ContentsPending pending in waiting!)
        {
            pending.Remove();
        }
    }

    private static void Check(B3Digest expected, B3Digest actual)
    {
        if (actual != expected)
        {
            throw new DigestMismatchException(expected, actual, "what the target says it stored");
        }
    }

    private StorageException Missing(Request request) => new($"The blob {request.Digest} of {Show(request)} is missing from the source.");

    private StorageException WrongLength(Request request, Exception? cause = null) =>
        new($"The blob {request.Digest} of {Show(request)} does not have the {request.Size} bytes that are recorded for it.", cause);

    private string Show(Request request) => request.Path.ToAbsolutePath(storeDirectory);
}
