using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

public sealed partial class NarRenderer
{
    // How many child directories of one directory are fetched side by side, and how many nodes may wait for their turn.
    private const int PrefetchDirectories = 8;
    private const int MaxQueued = 1024;

    // Up to this length files of a store at hand are read many at a time; longer ones may be kept in chunks, and these are.
    private const int BatchedLength = 128 << 10;

    private enum Step
    {
        None,
        Node,
        EndOfDirectory,

        /// <summary>A file whose contents come in steps of their own.</summary>
        FileHead,
        FilePiece,

        /// <summary>A file that is streamed whatever its length.</summary>
        Stream,
    }

    /// <summary>A step of the output.</summary>
    /// <param name="Step">What it is; none when the tree is over.</param>
    /// <param name="Name">The node's name.</param>
    /// <param name="Node">The node; <see langword="null"/> where there is none.</param>
    /// <param name="Content">What a small file contains, if the answer came at once; <see langword="null"/> when it is missing.</param>
    /// <param name="Reading">The answer to come, otherwise.</param>
    /// <param name="Batch">What reads the content together with others, from a store at hand.</param>
    /// <param name="Index">Which of the batch it is.</param>
    private readonly record struct Item(
        Step Step, PathComponent Name, Node? Node, BlobContent? Content = null, Task<BlobContent?>? Reading = null, Batch? Batch = null, int Index = 0);

    /// <summary>Goes through a tree in the order of the output, ahead of what is written, and starts to read what will be needed.</summary>
    /// <param name="renderer">Whose services are used.</param>
    /// <param name="root">The root of the tree.</param>
    /// <param name="stored">The store, when it is asked for what it keeps; otherwise <see langword="null"/>.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    private sealed class Walk(NarRenderer renderer, Node root, IStoredPieceSource? stored, CancellationToken cancellationToken)
    {
        private readonly NarRenderOptions _options = renderer._options;
        private readonly BatchQueue? _batches = stored is not null || (renderer._pieces is not null && renderer._options is { PrefetchBytes: > 0, PrefetchBlobs: > 0 })
            ? new BatchQueue(renderer._blobs, stored, renderer._options.PrefetchBlobs > 0 ? renderer._options.PrefetchBytes : 0, cancellationToken) : null;
        private readonly TreeDirectories _directories = new(renderer._directories, root);
        private readonly Queue<Item> _queue = new();
        private readonly Stack<Frame> _open = new();
        private readonly NarPath _path = new();
        private bool _started;
        private Task<CastoreDirectory?>? _entering; // the directory that the walk waits for
        private B3Digest _enteringDigest;
        private Task<IReadOnlyList<BlobChunk>?>? _listing; // the chunks that the walk waits for
        private Item _listed; // the file that consists of them, or is one
        private IReadOnlyList<BlobChunk>? _chunks; // of the large file that the walk is in; itself when it is in one piece
        private int _nextChunk;
        private long _bytesAhead;
        private int _contentsAhead;
        private int _readingAhead;

        public async ValueTask<Item> NextAsync()
        {
            while (true)
            {
                Advance();
                if (_queue.TryDequeue(out Item item))
                {
                    if (item.Batch is { } batch)
                    {
                        _batches!.Reach(batch, item.Index);
                    }
                    else if (item is { Step: Step.Node, Node: Node.File file } && IsRead(file))
                    {
                        _bytesAhead -= (long)file.Size;
                        _ = item.Reading is null ? _contentsAhead-- : _readingAhead--;
                    }

                    return item;
                }

                if (_entering is null && _listing is null)
                {
                    return default;
                }

                await ((Task?)_entering ?? _listing!).ConfigureAwait(false);
            }
        }

        /// <summary>Lets go of what was fetched and not used. Reads still under way must have been cancelled.</summary>
        public async ValueTask DisposeAsync()
        {
            foreach (Item item in _queue)
            {
                item.Content?.Dispose();
                if (item.Reading is { } reading)
                {
                    await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    if (reading.IsCompletedSuccessfully)
                    {
                        reading.Result?.Dispose();
                    }
                }
            }

            if (_batches is not null)
            {
                await _batches.DisposeAsync().ConfigureAwait(false);
            }

            await Settle(_entering).ConfigureAwait(false);
            await Settle(_listing).ConfigureAwait(false);
            foreach (Frame frame in _open)
            {
                foreach (Task<CastoreDirectory?> fetch in frame.Fetches)
                {
                    await Settle(fetch).ConfigureAwait(false);
                }
            }
        }

        private static async ValueTask Settle(Task? fetch)
        {
            if (fetch is not null)
            {
                await fetch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        /// <summary>Goes as far ahead as the budget allows, and as it can without waiting.</summary>
        private void Advance()
        {
            if (!_started)
            {
                _started = true;
                Enqueue(default, root);
            }

            while (_queue.Count < MaxQueued && TryEnter())
            {
                if (_chunks is not null)
                {
                    if (!TryEnqueueChunk())
                    {
                        return;
                    }

                    continue;
                }

                if (!_open.TryPeek(out Frame? frame))
                {
                    _batches?.StartLast();
                    return;
                }

                if (frame.Next == frame.Directory.Count)
                {
                    _open.Pop();
                    _path.Leave();
                    _queue.Enqueue(new Item(Step.EndOfDirectory, default, null));
                    continue;
                }

                DirectoryEntry entry = frame.Directory[frame.Next];
                if (entry.Node is Node.File file && !HasRoomFor(file))
                {
                    return;
                }

                frame.Next++;
                _path.SetName(entry.Name.Bytes);
                Enqueue(entry.Name, entry.Node);
            }
        }

        /// <summary>Whether the walk reads the file's blob; the others are streamed, or empty without a doubt.</summary>
        private bool IsRead(Node.File file) => renderer.IsSmall(file) && !IsEmpty(file);

        private ValueTask<BlobContent?> Read(Node.File file)
        {
            try
            {
                return renderer._blobs.ReadAsync(file.Digest, (int)file.Size, cancellationToken);
            }
            catch (BlobTooLongException e)
            {
                return ValueTask.FromException<BlobContent?>(e); // judged when the file's turn comes, as if it came later
            }
        }

        private bool HasRoomFor(Node.File file)
        {
            if (_batches is not null)
            {
                return _batches.HasRoomFor((int)Math.Min(file.Size, BatchBytes));
            }

            if (!IsRead(file) || _contentsAhead + _readingAhead == 0)
            {
                return true;
            }

            // A store that answers at once gains nothing from being asked early: the bytes would only leave the processor's caches.
            return _readingAhead > 0
                && _contentsAhead + _readingAhead < _options.PrefetchBlobs
                && _bytesAhead + (long)file.Size <= _options.PrefetchBytes;
        }

        private bool IsBatched(Node.File file) => !IsEmpty(file) && file.Size <= BatchedLength && (stored is not null || renderer.IsSmall(file));

        private void Enqueue(PathComponent name, Node node)
        {
            Item item = new(Step.Node, name, node);
            switch (node)
            {
                case Node.File file when _batches is not null && IsBatched(file):
                    item = _batches.Add(item, file.Digest, (int)file.Size);
                    break;
                case Node.File file when _batches is not null && !IsEmpty(file):
                    _listed = item;
                    _listing = renderer._blobs.GetChunksAsync(file.Digest, cancellationToken).AsTask();
                    return;
                case Node.Directory directory:
                    _enteringDigest = directory.Digest;
                    _entering = Fetch(directory.Digest);
                    break;
                case Node.File file when IsRead(file):
                    _bytesAhead += (long)file.Size;
                    ValueTask<BlobContent?> reading = Read(file);
                    if (reading.IsCompletedSuccessfully)
                    {
                        _contentsAhead++;
                        item = item with { Content = reading.Result };
                    }
                    else
                    {
                        _readingAhead++;
                        item = item with { Reading = reading.AsTask() };
                    }

                    break;
            }

            _queue.Enqueue(item);
        }

        /// <summary>Gets a directory, and starts to get those beside it unless the store answers at once.</summary>
        private Task<CastoreDirectory?> Fetch(B3Digest digest)
        {
            _open.TryPeek(out Frame? parent);
            if (parent is null || !parent.Fetches.TryDequeue(out Task<CastoreDirectory?>? fetch))
            {
                fetch = _directories.TryGetAsync(digest, cancellationToken).AsTask();
            }

            if (parent is null || fetch.IsCompleted)
            {
                return fetch;
            }

            parent.NextFetch = Math.Max(parent.NextFetch, parent.Next);
            for (; parent.Fetches.Count < PrefetchDirectories && parent.NextFetch < parent.Directory.Count; parent.NextFetch++)
            {
                if (parent.Directory[parent.NextFetch].Node is Node.Directory sibling)
                {
                    parent.Fetches.Enqueue(_directories.TryGetAsync(sibling.Digest, cancellationToken).AsTask());
                }
            }

            return fetch;
        }

        /// <summary>Begins with the chunks of a large file of a store at hand.</summary>
        private void Enqueue(Item item, IReadOnlyList<BlobChunk>? chunks)
        {
            Node.File file = (Node.File)item.Node!;
            UInt128 size = 0;
            bool holds = true;
            foreach (BlobChunk chunk in chunks ?? [])
            {
                size += chunk.Size;
                holds &= chunk.Size <= ChunkedBlobStream.DefaultMaxChunkBytes;
            }

            if (size == file.Size && holds)
            {
                _queue.Enqueue(item with { Step = Step.FileHead });
                _listed = item with { Step = Step.FilePiece };
                _chunks = chunks;
                _nextChunk = 0;
            }
            else if (chunks is { Count: 0 } && (renderer.IsSmall(file) || (stored is not null && file.Size <= ChunkedBlobStream.DefaultMaxChunkBytes)))
            {
                // In one piece, which waits for room as a chunk does.
                _listed = item;
                _chunks = [new BlobChunk(file.Digest, file.Size)];
                _nextChunk = 0;
            }
            else
            {
                _queue.Enqueue(item with { Step = Step.Stream }); // which tells what is wrong, if anything is
            }
        }

        private bool TryEnqueueChunk()
        {
            BlobChunk chunk = _chunks![_nextChunk];
            if (chunk.Size > 0)
            {
                if (!_batches!.HasRoomFor((int)chunk.Size))
                {
                    return false;
                }

                _queue.Enqueue(_batches.Add(_listed, chunk.Digest, (int)chunk.Size));
            }

            if (++_nextChunk == _chunks.Count)
            {
                _chunks = null;
            }

            return true;
        }

        /// <summary>
        /// Enters the directory or the large file that the walk waits for, if it waits; <see langword="false"/> when that is not here yet.
        /// </summary>
        private bool TryEnter()
        {
            if (_listing is not null)
            {
                if (!_listing.IsCompleted)
                {
                    return false;
                }

                IReadOnlyList<BlobChunk>? chunks = _listing.GetAwaiter().GetResult();
                _listing = null;
                Enqueue(_listed, chunks);
            }

            if (_entering is null)
            {
                return true;
            }

            if (!_entering.IsCompleted)
            {
                return false;
            }

            CastoreDirectory directory = _entering.GetAwaiter().GetResult()
                ?? throw TreeDirectories.Missing(_enteringDigest, _path.ToString());
            _entering = null;
            _open.Push(new Frame(directory));
            _path.Enter();
            return true;
        }

        private sealed class Frame(CastoreDirectory directory)
        {
            public CastoreDirectory Directory { get; } = directory;

            /// <summary>The entry that the walk comes to next.</summary>
            public int Next { get; set; }

            /// <summary>The entry from which on no directory was fetched ahead.</summary>
            public int NextFetch { get; set; }

            /// <summary>The child directories fetched ahead, in order.</summary>
            public Queue<Task<CastoreDirectory?>> Fetches { get; } = new();
        }
    }
}
