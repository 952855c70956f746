using System.Collections.Concurrent;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

public sealed partial class NarRenderer
{
    // A batch should stay in the processor's cache from where it is read to where it is hashed, and there should be so many that no reader runs out of them and has
    // to be woken up again. Larger blobs are batches of their own.
    private const int BatchBytes = 256 << 10;
    private const int BatchBlobs = 256;
    private const int MaxBatches = 10;

    // The one that writes is one of them. More would not help a writer that gets it all from memory, and take the processors away from others.
    private const int MaxThreads = 4;

    /// <summary>Blobs of a store at hand that are read together.</summary>
    /// <param name="blobs">The store.</param>
    /// <param name="stored">The same store, when it is asked for what it keeps; otherwise <see langword="null"/>.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    private sealed class Batch(IBlobService blobs, IStoredPieceSource? stored, CancellationToken cancellationToken)
    {
        private readonly List<BlobChunk> _blobs = [];
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private StoredPiece?[] _pieces = [];
        private bool _failed;

        public IReadOnlyList<BlobChunk> Blobs => _blobs;

        public int Bytes { get; private set; }

        public bool IsDone => _done.Task.IsCompleted;

        public int Add(B3Digest digest, int size)
        {
            _blobs.Add(new BlobChunk(digest, (ulong)size));
            Bytes += size;
            return _blobs.Count - 1;
        }

        /// <summary>Reads the blobs, once. Failures come to light when the blobs are taken.</summary>
        public async Task ReadAsync()
        {
            _pieces = new StoredPiece?[_blobs.Count];
            Task reading = ReadCoreAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _failed = !reading.IsCompletedSuccessfully;
            _done.SetResult();
        }

        /// <summary>Instead of <see cref="ReadAsync"/>, when nobody will take anything.</summary>
        public void Abandon() => _done.SetResult();

        /// <summary>Gives one of the blobs away, once.</summary>
        public ValueTask<StoredPiece?> TakeAsync(int index) => IsDone && !_failed ? new(Take(index)) : new(TakeLaterAsync(index));

        public async ValueTask DisposeAsync()
        {
            await _done.Task.ConfigureAwait(false);
            for (int i = 0; i < _pieces.Length; i++)
            {
                Take(i)?.Dispose();
            }
        }

        // Whatever a store throws at once is part of the task.
        private async Task ReadCoreAsync()
        {
            if (stored is not null)
            {
                await stored.ReadStoredManyAsync(_blobs, _pieces, cancellationToken).ConfigureAwait(false);
                return;
            }

            BlobContent?[] contents = new BlobContent?[_blobs.Count];
            await blobs.ReadManyAsync(_blobs, contents, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < contents.Length; i++)
            {
                _pieces[i] = contents[i] is { } content ? new StoredPiece(content) : null;
            }
        }

        private StoredPiece? Take(int index)
        {
            StoredPiece? piece = _pieces[index];
            _pieces[index] = null;
            return piece;
        }

        private async Task<StoredPiece?> TakeLaterAsync(int index)
        {
            await _done.Task.ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();

            // When one of many fails, each is asked for by itself: so what comes before it is written, and it is clear which one it is.
            if (!_failed)
            {
                return Take(index);
            }

            if (stored is not null)
            {
                return await stored.ReadStoredAsync(_blobs[index].Digest, cancellationToken).ConfigureAwait(false);
            }

            BlobContent? content = await blobs.ReadAsync(_blobs[index].Digest, (int)_blobs[index].Size, cancellationToken).ConfigureAwait(false);
            return content is null ? null : new StoredPiece(content);
        }
    }

    /// <summary>The batches that are ahead of what is written.</summary>
    /// <remarks>
    /// A store at hand does all the work of a read before it answers. So other threads read the batches, in order, as long as there are any; and the one that
    /// writes reads, too, instead of waiting: it often gets what it needs without a thread having to wake up.
    /// </remarks>
    /// <param name="blobs">The store.</param>
    /// <param name="stored">The same store, when it is asked for what it keeps; otherwise <see langword="null"/>.</param>
    /// <param name="budget">How many bytes may be read ahead; one blob may be whose turn has come.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    private sealed class BatchQueue(IBlobService blobs, IStoredPieceSource? stored, long budget, CancellationToken cancellationToken)
    {
        private static readonly int MaxReaders = Math.Min(Environment.ProcessorCount, MaxThreads) - 1;

        private readonly int _batchBytes = (int)Math.Min(BatchBytes, budget / MaxBatches);
        private readonly Queue<Batch> _ahead = new();
        private readonly ConcurrentQueue<Batch> _unread = new(); // those that nobody has begun to read
        private Batch? _last; // to which more can be added
        private long _bytesAhead; // of the blobs whose turn has not come
        private int _readers;

        public bool HasRoomFor(int size) => _bytesAhead == 0 || (_bytesAhead + size <= budget && (Fits(size) || _ahead.Count < MaxBatches));

        /// <summary>Adds a blob to the last batch, or to a new one.</summary>
        public Item Add(Item item, B3Digest digest, int size)
        {
            if (!Fits(size))
            {
                StartLast();
                _last = new Batch(blobs, stored, cancellationToken);
                _ahead.Enqueue(_last);
            }

            _bytesAhead += size;
            return item with { Batch = _last, Index = _last!.Add(digest, size) };
        }

        /// <summary>Lets the last batch be read, since nothing will be added to it.</summary>
        public void StartLast()
        {
            if (_last is null)
            {
                return;
            }

            _unread.Enqueue(_last);
            _last = null;
            if (Volatile.Read(ref _readers) < MaxReaders)
            {
                Interlocked.Increment(ref _readers);
                _ = Task.Run(ReadAllAsync, CancellationToken.None);
            }
        }

        /// <summary>Sees to it that a blob's batch is read, since its turn has come. The batches before it are no longer ahead.</summary>
        public void Reach(Batch batch, int index)
        {
            _bytesAhead -= (long)batch.Blobs[index].Size;
            if (batch == _last)
            {
                StartLast();
            }

            while (_ahead.Peek() != batch)
            {
                _ahead.Dequeue();
            }

            while (!batch.IsDone && _unread.TryDequeue(out Batch? next))
            {
                _ = next.ReadAsync(); // which does not fail, and a store that is not at hand after all is not waited for
            }
        }

        public async ValueTask DisposeAsync()
        {
            _last?.Abandon();
            while (_unread.TryDequeue(out Batch? batch))
            {
                batch.Abandon();
            }

            while (_ahead.TryDequeue(out Batch? batch))
            {
                await batch.DisposeAsync().ConfigureAwait(false);
            }
        }

        private async Task ReadAllAsync()
        {
            while (_unread.TryDequeue(out Batch? batch))
            {
                await batch.ReadAsync().ConfigureAwait(false);
            }

            // What is added at this moment is read by the next reader, or by the writer.
            Interlocked.Decrement(ref _readers);
        }

        private bool Fits(int size) => _last is not null && _last.Blobs.Count < BatchBlobs && _last.Bytes + size <= _batchBytes;
    }
}
