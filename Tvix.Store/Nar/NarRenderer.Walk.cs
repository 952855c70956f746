using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

public sealed partial class NarRenderer
{
    // How many child directories of one directory are fetched side by side, and how many nodes may wait for their turn.
    private const int PrefetchDirectories = 8;
    private const int MaxQueued = 1024;

    // A store at hand does all the work of a read before it answers: so from this length on another thread is asked to, and this many blobs are read at a time.
    private const int OffloadLength = 32 << 10;
    private const int MaxOffloaded = 4;

    /// <summary>A step of the output: a node, or the end of a directory.</summary>
    /// <param name="Name">The node's name.</param>
    /// <param name="Node">The node; <see langword="null"/> for the end of a directory.</param>
    /// <param name="Content">What a small file contains, if the answer came at once; <see langword="null"/> when it is missing.</param>
    /// <param name="Reading">The answer to come, otherwise.</param>
    /// <param name="IsNone">Whether there is no step, since the tree is over.</param>
    private readonly record struct Item(
        PathComponent Name, Node? Node, BlobContent? Content = null, Task<BlobContent?>? Reading = null, bool IsNone = false);

    /// <summary>Goes through a tree in the order of the output, ahead of what is written, and starts to read what will be needed.</summary>
    private sealed class Walk(NarRenderer renderer, Node root, CancellationToken cancellationToken)
    {
        private readonly NarRenderOptions _options = renderer._options;
        private readonly bool _offloads = renderer._pieces is not null && Environment.ProcessorCount > 1 && renderer._options is { PrefetchBytes: > 0, PrefetchBlobs: > 0 };
        private readonly TreeDirectories _directories = new(renderer._directories, root);
        private readonly Queue<Item> _queue = new();
        private readonly Stack<Frame> _open = new();
        private readonly NarPath _path = new();
        private bool _started;
        private Task<CastoreDirectory?>? _entering; // the directory that the walk waits for
        private B3Digest _enteringDigest;
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
                    if (item.Node is Node.File file && IsRead(file))
                    {
                        _bytesAhead -= (long)file.Size;
                        _ = item.Reading is null ? _contentsAhead-- : _readingAhead--;
                    }

                    return item;
                }

                if (_entering is null)
                {
                    return new Item(default, null, IsNone: true);
                }

                await _entering.ConfigureAwait(false);
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

            await Settle(_entering).ConfigureAwait(false);
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

            while (_queue.Count < MaxQueued && TryEnter() && _open.TryPeek(out Frame? frame))
            {
                if (frame.Next == frame.Directory.Count)
                {
                    _open.Pop();
                    _path.Leave();
                    _queue.Enqueue(new Item(default, null));
                    continue;
                }

                DirectoryEntry entry = frame.Directory[frame.Next];
                if (entry.Node is Node.File file && IsRead(file) && !HasRoomFor(file))
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
                return _offloads && file.Size >= OffloadLength
                    ? new(Task.Run(() => renderer._blobs.ReadAsync(file.Digest, (int)file.Size, cancellationToken).AsTask(), cancellationToken))
                    : renderer._blobs.ReadAsync(file.Digest, (int)file.Size, cancellationToken);
            }
            catch (InvalidOperationException e)
            {
                return ValueTask.FromException<BlobContent?>(e); // judged when the file's turn comes, as if it came later
            }
        }

        private bool HasRoomFor(Node.File file)
        {
            if (_contentsAhead + _readingAhead == 0)
            {
                return true;
            }

            // A store that answers at once gains nothing from being asked early: the bytes would only leave the processor's caches.
            return _readingAhead > 0
                && (!_offloads || _readingAhead < MaxOffloaded)
                && _contentsAhead + _readingAhead < _options.PrefetchBlobs
                && _bytesAhead + (long)file.Size <= _options.PrefetchBytes;
        }

        private void Enqueue(PathComponent name, Node node)
        {
            Item item = new(name, node);
            switch (node)
            {
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

        /// <summary>Enters the directory that the walk waits for, if it waits; <see langword="false"/> when that is not here yet.</summary>
        private bool TryEnter()
        {
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
