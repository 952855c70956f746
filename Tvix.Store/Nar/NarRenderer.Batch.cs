using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

public sealed partial class NarRenderer
{
    // A batch should stay in the processor's cache from where it is read to where it is hashed. A few of them keep the processors busy.
    private const int BatchBytes = 512 << 10;
    private const int BatchBlobs = 256;
    private const int MaxBatches = 4;

    /// <summary>
    /// Blobs of a store at hand, which does all the work of a read before it answers: so it is asked on other threads than the one that writes, and for many at a
    /// time.
    /// </summary>
    private sealed class Batch(IBlobService blobs, CancellationToken cancellationToken)
    {
        private readonly List<BlobChunk> _blobs = [];
        private BlobContent?[] _contents = [];
        private Task? _reading;

        public IReadOnlyList<BlobChunk> Blobs => _blobs;

        public int Bytes { get; private set; }

        public int Add(B3Digest digest, int size)
        {
            _blobs.Add(new BlobChunk(digest, (ulong)size));
            Bytes += size;
            return _blobs.Count - 1;
        }

        public void Start()
        {
            _contents = new BlobContent?[_blobs.Count];
            _reading = Environment.ProcessorCount > 1 ? Task.Run(ReadAsync, cancellationToken) : ReadAsync();
        }

        /// <summary>Gives one of the blobs away, once.</summary>
        public ValueTask<BlobContent?> TakeAsync(int index) =>
            _reading!.IsCompletedSuccessfully ? new(Take(index)) : new(TakeLaterAsync(index));

        public async ValueTask DisposeAsync()
        {
            if (_reading is not null)
            {
                await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                for (int i = 0; i < _contents.Length; i++)
                {
                    Take(i)?.Dispose();
                }
            }
        }

        private async Task ReadAsync() => await blobs.ReadManyAsync(_blobs, _contents, cancellationToken).ConfigureAwait(false);

        private BlobContent? Take(int index)
        {
            BlobContent? content = _contents[index];
            _contents[index] = null;
            return content;
        }

        private async Task<BlobContent?> TakeLaterAsync(int index)
        {
            await _reading!.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();

            // Where one of many fails, each is asked for by itself: so what comes before it is written, and it is clear which one it is.
            return _reading.IsCompletedSuccessfully ? Take(index)
                : await blobs.ReadAsync(_blobs[index].Digest, (int)_blobs[index].Size, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The batches that are ahead of what is written.</summary>
    private sealed class BatchQueue(IBlobService blobs, long budget, CancellationToken cancellationToken)
    {
        private readonly int _batchBytes = (int)Math.Min(BatchBytes, budget / MaxBatches);
        private readonly Queue<Batch> _ahead = new();
        private Batch? _last; // to which more can be added

        public bool HasRoomFor(int size) => Fits(size) || _ahead.Count < MaxBatches;

        /// <summary>Adds a blob to the last batch, or to a new one.</summary>
        public Item Add(Item item, B3Digest digest, int size)
        {
            if (!Fits(size))
            {
                StartLast();
                _last = new Batch(blobs, cancellationToken);
                _ahead.Enqueue(_last);
            }

            return item with { Batch = _last, Index = _last!.Add(digest, size) };
        }

        /// <summary>Starts the last batch, since nothing will be added to it.</summary>
        public void StartLast()
        {
            _last?.Start();
            _last = null;
        }

        /// <summary>Notes that the turn of a step has come that waits for a batch. The batches before that are no longer ahead.</summary>
        public void Reach(Batch batch)
        {
            if (batch == _last)
            {
                StartLast();
            }

            while (_ahead.Peek() != batch)
            {
                _ahead.Dequeue();
            }
        }

        public async ValueTask DisposeAsync()
        {
            while (_ahead.TryDequeue(out Batch? batch))
            {
                await batch.DisposeAsync().ConfigureAwait(false);
            }
        }

        private bool Fits(int size) => _last is not null && _last.Blobs.Count < BatchBlobs && _last.Bytes + size <= _batchBytes;
    }
}
