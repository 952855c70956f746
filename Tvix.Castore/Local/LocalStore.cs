using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Tvix.Castore.Blobs;
using Tvix.Castore.Chunking;
using Tvix.Castore.Compression;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>
/// The embedded store: one folder with append-only pack files and an index. It holds blobs, chunks, directories, and the named values of the layer above.
/// </summary>
/// <remarks>
/// <para>All members may be called concurrently, and several processes may use one folder at the same time, reading and writing. The first use opens the
/// store; that takes the same time whatever its size. Dispose it to let go of its files.</para>
/// <para>A write is acknowledged when its records are on disk and in the index (see <see cref="LocalStoreOptions.Durability"/>); writes that run at the same
/// time share one flush. A crash loses at most what was not acknowledged. Everything that is read is checked against its digest first.</para>
/// <para>
/// <code>
/// folder/packs/00000001.pack     records, one after the other (see docs/local-store.md)
/// folder/packs/writer-0.lock     held by the process that appends to the pack of slot 0
/// folder/index.db                SQLite, where which record lies; can be rebuilt from the packs
/// </code>
/// </para>
/// </remarks>
public sealed partial class LocalStore : IAsyncDisposable, IDisposable
{
    private const int MaxBatchRows = 16 * 1024;
    private const long MaxBatchBytes = 64L << 20;
    private const int MaxRetired = 8 * 1024;
    private const int SmallestToCompress = 256;

    private const int SmallSource = 32 << 10; // for which the next level costs little

    private readonly LocalStoreOptions _options;
    private readonly ILogger _logger;
    private readonly Lock _openGate = new();
    private volatile State? _state;
    private bool _disposed;

    /// <summary>Makes a store on a folder. Nothing is opened before the first use.</summary>
    /// <param name="options">The settings, which are copied.</param>
    /// <param name="logger">Receives what happens behind the scenes, such as recovery after a crash.</param>
    /// <exception cref="ArgumentException">A setting is out of its range; the message names it.</exception>
    public LocalStore(LocalStoreOptions options, ILogger<LocalStore>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options.Clone();
        _options.Path = System.IO.Path.GetFullPath(options.Path);
        _logger = logger ?? NullLogger<LocalStore>.Instance;
        Chunking = ChunkingParameters.FromAverage((uint)_options.AverageChunkSize);
        Blobs = new LocalBlobService(this);
        Directories = new LocalDirectoryService(this);
    }

    /// <summary>Makes a store on a folder with default settings. Nothing is opened before the first use.</summary>
    /// <param name="path">The folder; made on first use when it does not exist.</param>
    public LocalStore(string path)
        : this(new LocalStoreOptions { Path = path })
    {
    }

    /// <summary>The folder, as an absolute path.</summary>
    public string Path => _options.Path;

    /// <summary>The blobs of the store.</summary>
    public IBlobService Blobs { get; }

    /// <summary>The directories of the store.</summary>
    public IDirectoryService Directories { get; }

    internal ChunkingParameters Chunking { get; }

    /// <summary>Opens the store now instead of at the first use, so that what is wrong with it shows at once.</summary>
    /// <exception cref="StorageException">The folder is no store, has a format this version does not know, or cannot be used.</exception>
    /// <exception cref="PlatformNotSupportedException"><see cref="LocalCompression.Zstd"/> is asked for, and the system has no zstd.</exception>
    public void Open() => _ = Opened;

    private State Opened
    {
        get
        {
            if (_state is { } state)
            {
                return state;
            }

            lock (_openGate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return _state ??= State.Open(_options, _logger);
            }
        }
    }

    // ---- looking up and reading ----

    internal bool Contains(RecordKind kind, B3Digest digest)
    {
        using PackIndex.Reader reader = Opened.Index.Rent();
        return reader.TryFind(kind, digest, out _);
    }

    /// <summary>Which of many objects are there, in one look at the index.</summary>
    internal bool[] ContainsMany(RecordKind kind, ReadOnlySpan<B3Digest> digests)
    {
        RecordLocation?[] locations = new RecordLocation?[digests.Length];
        using (PackIndex.Reader reader = Opened.Index.Rent())
        {
            reader.FindMany(kind, digests, locations);
        }

        return Array.ConvertAll(locations, location => location is not null);
    }

    /// <summary>A record's payload, verified; <see langword="null"/> when there is none.</summary>
    internal BlobContent? Read(RecordKind kind, B3Digest key, int maxBytes = int.MaxValue)
    {
        State state = Opened;
        RecordLocation location;
        using (PackIndex.Reader reader = state.Index.Rent())
        {
            if (!reader.TryFind(kind, key, out location))
            {
                return null;
            }
        }

        // What is read of a blob of several chunks is the list of them.
        long length = kind == RecordKind.Blob ? location.StoredLength : location.LogicalLength;
        return length <= maxBytes ? state.Files.Read(kind, key, location) : throw new BlobTooLongException(key, maxBytes, kind == RecordKind.Blob ? null : length);
    }

    /// <summary>Reads many chunks, verified: all are looked up at once, and neighbours are read in one go.</summary>
    /// <param name="chunks">The chunks, each with the most bytes of it to read.</param>
    /// <param name="contents">Receives the bytes of each; stays as it is for one that is not there.</param>
    /// <returns>Whether all are there.</returns>
    internal bool ReadChunks(IReadOnlyList<BlobChunk> chunks, Span<BlobContent?> contents)
    {
        List<PlacedChunk> placed = Place(chunks);
        try
        {
            Opened.Files.ReadMany(placed, contents, unpack: true);
        }
        catch
        {
            BlobContent.DisposeAll(contents);
            throw;
        }

        return placed.Count == chunks.Count;
    }

    /// <summary>As <see cref="ReadChunks"/>, the way they are stored.</summary>
    internal void ReadStoredChunks(IReadOnlyList<BlobChunk> chunks, Span<StoredPiece?> pieces)
    {
        List<PlacedChunk> placed = Place(chunks);
        BlobContent?[] contents = new BlobContent?[chunks.Count];
        try
        {
            Opened.Files.ReadMany(placed, contents, unpack: false);
        }
        catch
        {
            BlobContent.DisposeAll(contents);
            throw;
        }

        foreach ((_, RecordLocation location, int index) in placed)
        {
            BlobContent content = contents[index]!;
            pieces[index] = new StoredPiece(content, content.Memory, (int)location.LogicalLength, isZstdFrame: !location.IsRaw);
        }
    }

    /// <summary>Finds those of many chunks that are there.</summary>
    private List<PlacedChunk> Place(IReadOnlyList<BlobChunk> chunks)
    {
        B3Digest[] digests = new B3Digest[chunks.Count];
        for (int i = 0; i < digests.Length; i++)
        {
            digests[i] = chunks[i].Digest;
        }

        RecordLocation?[] locations = new RecordLocation?[digests.Length];
        using (PackIndex.Reader reader = Opened.Index.Rent())
        {
            reader.FindMany(RecordKind.Chunk, digests, locations);
        }

        List<PlacedChunk> placed = new(digests.Length);
        for (int i = 0; i < digests.Length; i++)
        {
            if (locations[i] is { } location)
            {
                placed.Add(location.LogicalLength <= (long)chunks[i].Size
                    ? new PlacedChunk(digests[i], location, i) : throw new BlobTooLongException(digests[i], (long)chunks[i].Size, location.LogicalLength));
            }
        }

        return placed;
    }

    /// <summary>A chunk the way it is stored; <see langword="null"/> when there is none.</summary>
    internal StoredPiece? ReadStored(B3Digest key)
    {
        State state = Opened;
        RecordLocation location;
        using (PackIndex.Reader reader = state.Index.Rent())
        {
            if (!reader.TryFind(RecordKind.Chunk, key, out location))
            {
                return null;
            }
        }

        return state.Files.ReadStored(key, location);
    }

    internal PackIndex.Reader RentIndex() => Opened.Index.Rent();

    internal BlobContent Read(RecordKind kind, B3Digest key, RecordLocation location) => Opened.Files.Read(kind, key, location);

    // ---- writing ----

    /// <summary>See <see cref="WriteSession"/>, by which this is called.</summary>
    /// <returns>The batch whose commit makes the object durable; <see langword="null"/> when it is durable already.</returns>
    internal CommitBatch? Append(
        RecordKind kind, B3Digest digest, ReadOnlySpan<byte> content, bool isNew, long? logicalLength, ref int? generation)
    {
        State state = Opened;
        if (!isNew)
        {
            if (state.FindPending(kind, digest, ref generation) is { } pending)
            {
                return pending;
            }

            if (Contains(kind, digest))
            {
                return null;
            }
        }

        using PackedContent packed = kind is RecordKind.Chunk or RecordKind.Directory ? Pack(content) : new PackedContent(RecordCodec.Raw, null, content.Length);
        return Append(kind, digest, content, in packed, logicalLength ?? content.Length, ref generation);
    }

    /// <summary>As the other, for what is not in the store.</summary>
    internal CommitBatch Append(
        RecordKind kind, B3Digest digest, ReadOnlySpan<byte> content, in PackedContent packed, long logicalLength, ref int? generation)
    {
        ReadOnlySpan<byte> payload = packed.Of(content);
        CheckLength(kind, digest, payload.Length);
        State state = Opened;
        long time = state.Now(after: kind == RecordKind.Named ? TimeOf(state, digest) : 0);
        return state.Append(new RecordHeader(kind, packed.Codec, payload.Length, logicalLength, time, digest), payload, ref generation);
    }

    private static void CheckLength(RecordKind kind, B3Digest digest, int length)
    {
        if (length > RecordHeader.MaxStoredLength)
        {
            throw new StorageException($"{digest} takes {length} bytes as a record of kind {kind}; more than {RecordHeader.MaxStoredLength} cannot be stored.");
        }
    }

    /// <summary>Compresses a chunk or a directory if that is worth it. May run beside everything else.</summary>
    internal PackedContent Pack(ReadOnlySpan<byte> content)
    {
        if (Opened.Compress && content.Length is >= SmallestToCompress and <= RecordHeader.MaxStoredLength)
        {
            byte[] compressed = ArrayPool<byte>.Shared.Rent(content.Length);

            // Room for seven eighths only: what does not get smaller by that is kept as it is, and costs nothing to read.
            if (Zstd.TryCompress(content, compressed.AsSpan(0, content.Length - (content.Length / 8)), out int written, LevelFor(content.Length)))
            {
                return new PackedContent(RecordCodec.Zstd, compressed, written);
            }

            ArrayPool<byte>.Shared.Return(compressed);
        }

        return new PackedContent(RecordCodec.Raw, null, content.Length);
    }

    private int LevelFor(int length) => _options.CompressionLevel ?? (length <= SmallSource ? 3 : 2);

    /// <summary>Whether an object was appended lately, and is maybe not durable yet. Who relies on it has to append it all the same.</summary>
    internal bool IsOnItsWay(RecordKind kind, B3Digest digest) => Opened.IsPending(kind, digest);

    private static long TimeOf(State state, B3Digest key)
    {
        using PackIndex.Reader index = state.Index.Rent();
        return index.FindTime(key);
    }

    /// <summary>Waits until a batch is durable, and sees to it that it gets there.</summary>
    internal ValueTask CommitAsync(CommitBatch? batch, CancellationToken cancellationToken)
    {
        if (batch is null)
        {
            return ValueTask.CompletedTask;
        }

        Opened.StartCommit();
        return new ValueTask(batch.Completion.WaitAsync(cancellationToken));
    }

    /// <summary>Keeps what is not yet durable within bounds while one blob or tree goes on and on.</summary>
    internal ValueTask ThrottleAsync(CancellationToken cancellationToken)
    {
        Task? full = Opened.StartCommitWhenFull();
        return full is null ? ValueTask.CompletedTask : new ValueTask(full.WaitAsync(cancellationToken));
    }

    internal IndexRow AppendHidden(RecordKind kind, B3Digest digest, ReadOnlySpan<byte> content, ref int? generation)
    {
        State state = Opened;
        using PackedContent packed = Pack(content);
        CheckLength(kind, digest, packed.Length);
        RecordHeader header = new(kind, packed.Codec, packed.Length, content.Length, state.Now(), digest, IsProvisional: true);
        return state.AppendHidden(in header, packed.Of(content), ref generation);
    }

    internal CommitBatch Enter(List<IndexRow> rows, ref int? generation) => Opened.Enter(rows, ref generation);

    /// <summary>Stores a named value, durably, in place of what the name had before.</summary>
    /// <param name="key">At most 32 bytes, filled up with zeros.</param>
    /// <param name="value">The value.</param>
    /// <param name="cancellationToken">Ends the wait; the value may still get stored.</param>
    internal ValueTask PutNamedAsync(B3Digest key, ReadOnlySpan<byte> value, CancellationToken cancellationToken)
    {
        WriteSession session = new(this);
        session.Append(RecordKind.Named, key, value, isNew: true);
        return session.CommitAsync(cancellationToken);
    }

    // ---- closing ----

    /// <summary>Makes durable what was appended, and closes the files.</summary>
    public async ValueTask DisposeAsync()
    {
        State? state;
        lock (_openGate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            state = _state;
        }

        if (state is not null)
        {
            await state.CloseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>As <see cref="DisposeAsync"/>, waiting for the last flush.</summary>
    public void Dispose() => DisposeAsync().AsTask().Wait(); // for what runs on a thread of its own and waits for nobody

    /// <summary>What an open store consists of.</summary>
    private sealed class State
    {
        private readonly LocalStoreOptions _options;
        private readonly ILogger _logger;
        private readonly Lock _gate = new(); // the writer, the current batch, what is pending
        private readonly Lock _indexGate = new(); // the index's writing side; taken after _gate, never before
        private readonly Dictionary<(RecordKind Kind, B3Digest Digest), CommitBatch> _pending = []; // of those that are not committed, and those that just were
        private readonly Queue<(RecordKind Kind, B3Digest Digest)> _retired = new(); // the latter
        private PackWriter? _writer;
        private CommitBatch _current = new(0);
        private CommitBatch? _committing;
        private Task _committer = Task.CompletedTask;
        private bool _committerRuns;
        private int _generation;
        private long _lastTime;
        private bool _closed;

        private State(LocalStoreOptions options, ILogger logger, PackIndex index, PackFiles files, bool compress)
        {
            _options = options;
            _logger = logger;
            Index = index;
            Files = files;
            Compress = compress;
        }

        public PackIndex Index { get; }

        public PackFiles Files { get; }

        public bool Compress { get; }

        public static State Open(LocalStoreOptions options, ILogger logger)
        {
            if (options.Compression == LocalCompression.Zstd)
            {
                LibZstd.ThrowIfAbsent();
            }

            PackFiles files = new(options.Path) { FaultInjection = options.FaultInjection };
            PackIndex? index = null;
            try
            {
                PrepareFolder(options.Path, files);
                index = PackIndex.Open(options.Path, options.BusyTimeout, options.Durability == LocalDurability.Disk);
                State state = new(options, logger, index, files, options.Compression != LocalCompression.None && Zstd.IsAvailable);
                state.IndexUnknownPacks();
                state.RecoverAbandonedPacks();
                return state;
            }
            catch (Exception e)
            {
                index?.Dispose();
                files.Dispose();
                if (e is IOException or UnauthorizedAccessException)
                {
                    throw new StorageException($"Opening the store at '{options.Path}' failed: {e.Message}", e);
                }

                throw;
            }
        }

        private static void PrepareFolder(string path, PackFiles files)
        {
            if (!Directory.Exists(files.Folder))
            {
                // Looked at once more, since another process may just have made the store.
                if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any() && !Directory.Exists(files.Folder))
                {
                    throw new StorageException($"The folder '{path}' holds something else than a store; name an empty or a new folder.");
                }

                bool isNew = !Directory.Exists(path);
                Directory.CreateDirectory(files.Folder);
                FileSystemSync.FlushFolder(path);
                if (isNew && System.IO.Path.GetDirectoryName(path) is { } parent)
                {
                    FileSystemSync.FlushFolder(parent);
                }
            }
        }

        /// <summary>The time for a new record, and later than a given one, whatever the clock says.</summary>
        public long Now(long after = 0)
        {
            // Strictly ascending, so that of two values under one name the later one counts.
            while (true)
            {
                long last = Volatile.Read(ref _lastTime);
                long now = Math.Max(DateTime.UtcNow.Ticks, Math.Max(last, after) + 1);
                if (Interlocked.CompareExchange(ref _lastTime, now, last) == last)
                {
                    return now;
                }
            }
        }

        public CommitBatch? FindPending(RecordKind kind, B3Digest digest, ref int? generation)
        {
            lock (_gate)
            {
                ThrowIfClosed();
                CheckGeneration(ref generation); // who relies on a batch suffers when that fails
                return _pending.GetValueOrDefault((kind, digest));
            }
        }

        public bool IsPending(RecordKind kind, B3Digest digest)
        {
            lock (_gate)
            {
                ThrowIfClosed();
                return _pending.ContainsKey((kind, digest));
            }
        }

        public CommitBatch Append(in RecordHeader header, ReadOnlySpan<byte> payload, ref int? generation)
        {
            lock (_gate)
            {
                ThrowIfClosed();
                CheckGeneration(ref generation);
                (RecordKind, B3Digest) key = (header.Kind, header.Key);
                if (header.Kind != RecordKind.Named && _pending.TryGetValue(key, out CommitBatch? pending))
                {
                    return pending;
                }

                IndexRow row = AppendRecord(in header, payload); // which may begin a new batch
                _current.Rows.Add(row);
                _current.Bytes += payload.Length;
                if (header.Kind != RecordKind.Named)
                {
                    _pending.Add(key, _current);
                    _current.Pending.Add(key);
                }

                return _current;
            }
        }

        public IndexRow AppendHidden(in RecordHeader header, ReadOnlySpan<byte> payload, ref int? generation)
        {
            lock (_gate)
            {
                CheckGeneration(ref generation);
                IndexRow row = AppendRecord(in header, payload);
                _current.Bytes += payload.Length; // to be flushed with the others
                return row;
            }
        }

        public CommitBatch Enter(List<IndexRow> rows, ref int? generation)
        {
            lock (_gate)
            {
                ThrowIfClosed();
                CheckGeneration(ref generation);
                _current.Rows.AddRange(rows);
                _current.FlushesIndex = true;
                return _current;
            }
        }

        /// <summary>What a session appended before a failure may be lost, so nothing that refers to it may follow.</summary>
        private void CheckGeneration(ref int? generation)
        {
            generation ??= _generation;
            if (generation != _generation)
            {
                throw new StorageException($"The store at '{_options.Path}' failed during the upload; start it again.", isTransient: true);
            }
        }

        private IndexRow AppendRecord(in RecordHeader header, ReadOnlySpan<byte> payload)
        {
            ThrowIfClosed();
            try
            {
                PackWriter writer = _writer ??= AcquireWriter();
                if (writer.Position >= _options.PackSize)
                {
                    BeginNextPack(writer);
                }

                long offset = writer.Append(in header, payload);
                return new IndexRow(header.Kind, header.Key, new RecordLocation(writer.Pack, offset, header.StoredLength, header.LogicalLength), header.Time);
            }
            catch (Exception e)
            {
                throw Fault(e);
            }
        }

        private PackWriter AcquireWriter()
        {
            List<IndexRow> recovered = [];
            lock (_indexGate)
            {
                PackWriter writer = PackWriter.Acquire(Files, Index, Flushes, recovered);
                try
                {
                    CommitRecovered(recovered, writer);
                    return writer;
                }
                catch
                {
                    writer.Dispose();
                    throw;
                }
            }
        }

        private void CommitRecovered(List<IndexRow> recovered, PackWriter writer)
        {
            if (recovered.Count > 0)
            {
                Log.RecoveredRecords(_logger, recovered.Count, Files.PathOf(writer.Pack));
            }

            Index.Commit(recovered, writer.Pack, writer.Position); // where there was nothing to recover, so that it is not looked at again
        }

        private bool Flushes => _options.Durability == LocalDurability.Disk;

        /// <summary>Makes durable what the full pack holds, and begins the next one. Under the gate: packs are rarely full.</summary>
        private void BeginNextPack(PackWriter writer)
        {
            CommitBatch batch = _current;
            _current = new CommitBatch(_current.Sequence + 1);
            try
            {
                writer.Flush();
                FlushToDisk(writer, writer.CurrentFile, writer.Position, _generation);
                lock (_indexGate)
                {
                    // The committer may be on its way with the batch before, which must not be overtaken. To enter its rows twice does no harm.
                    _options.FaultInjection?.Invoke(PackOperation.Commit);
                    if (_committing is { } before)
                    {
                        Index.Commit(before.Rows, writer.Pack, writer.Position, before.FlushesIndex);
                    }

                    Index.Commit(batch.Rows, writer.Pack, writer.Position, batch.FlushesIndex);
                    writer.BeginNextPack(Index);
                }
            }
            catch (Exception e)
            {
                batch.Fail(Wrap(e));
                Forget(batch);
                throw;
            }

            Retire(batch);
            batch.Complete();
        }

        /// <summary>After a failure nothing is known about the end of the pack: whatever was not committed fails, and the next write recovers.</summary>
        private StorageException Fault(Exception error)
        {
            StorageException wrapped = Wrap(error);
            _writer?.Dispose();
            _writer = null;
            _generation++;
            _current.Fail(wrapped);
            Forget(_current);
            _current = new CommitBatch(_current.Sequence + 1);
            if (_committing is { } committing)
            {
                // Its records may have been cut off with the rest: nobody may rely on them from now on, whatever becomes of its commit.
                Forget(committing);
                _committing = null;
            }

            return wrapped;
        }

        private StorageException Wrap(Exception error) =>
            error as StorageException ?? new StorageException($"Writing to the store at '{_options.Path}' failed: {error.Message}", error);

        private void Forget(CommitBatch batch)
        {
            foreach ((RecordKind, B3Digest) key in batch.Pending)
            {
                Forget(key, batch);
            }
        }

        private void Forget((RecordKind, B3Digest) key, CommitBatch batch)
        {
            if (_pending.GetValueOrDefault(key) == batch) // after a failure it may have been appended again
            {
                _pending.Remove(key);
            }
        }

        /// <summary>
        /// Forgets a batch that is in the index, but not its objects at once: somebody may have looked there before, and be about to append the same. That would be stored twice.
        /// </summary>
        private void Retire(CommitBatch batch)
        {
            foreach ((RecordKind, B3Digest) key in batch.Pending)
            {
                ref CommitBatch holder = ref CollectionsMarshal.GetValueRefOrNullRef(_pending, key);
                if (!Unsafe.IsNullRef(in holder) && holder == batch)
                {
                    holder = CommitBatch.Committed;
                    if (_retired.Count == MaxRetired)
                    {
                        Forget(_retired.Dequeue(), CommitBatch.Committed);
                    }

                    _retired.Enqueue(key);
                }
            }
        }

        // ---- the committer: one at a time, each round takes whatever has gathered during the one before ----

        public void StartCommit()
        {
            lock (_gate)
            {
                if (!_closed && !_committerRuns && !_current.IsEmpty)
                {
                    _committerRuns = true;
                    _committer = Task.Run(RunCommits);
                }
            }
        }

        public Task? StartCommitWhenFull()
        {
            lock (_gate)
            {
                if (_current.Rows.Count < MaxBatchRows && _current.Bytes < MaxBatchBytes)
                {
                    return null;
                }

                StartCommit();

                // The batch before it must be through; a failure of that one is for those who wait for it.
                return _committing is { } before ? before.Completion.ContinueWith(
                    static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default) : null;
            }
        }

        private void RunCommits()
        {
            while (true)
            {
                CommitBatch batch;
                PackWriter? writer;
                SafeFileHandle? file = null;
                int pack = 0;
                long length = 0;
                int generation;
                lock (_gate)
                {
                    generation = _generation;
                    _committing = null;
                    batch = _current;
                    if (batch.IsEmpty)
                    {
                        _committerRuns = false;
                        return;
                    }

                    _current = new CommitBatch(_current.Sequence + 1);
                    _committing = batch;
                    try
                    {
                        writer = _writer;
                        if (writer is not null)
                        {
                            writer.Flush();
                            (file, pack, length) = (writer.CurrentFile, writer.Pack, writer.Position);
                        }
                    }
                    catch (Exception e)
                    {
                        batch.Fail(Fault(e));
                        Forget(batch);
                        continue;
                    }
                }

                try
                {
                    if (file is not null)
                    {
                        FlushToDisk(writer!, file, length, generation);
                    }

                    _options.FaultInjection?.Invoke(PackOperation.Commit);
                    lock (_indexGate)
                    {
                        Index.Commit(batch.Rows, pack, length, batch.FlushesIndex);
                    }
                }
                catch (Exception e)
                {
                    lock (_gate)
                    {
                        // If another write has failed meanwhile, those that began after that one are not concerned.
                        batch.Fail(generation == _generation ? Fault(e) : Wrap(e));
                        Forget(batch);
                    }

                    continue;
                }

                lock (_gate)
                {
                    Retire(batch);
                }

                batch.Complete();
            }
        }

        private void FlushToDisk(PackWriter writer, SafeFileHandle file, long length, int generation)
        {
            if (!Flushes)
            {
                return;
            }

            try
            {
                writer.FlushToDisk(file, length);
            }
            catch (ObjectDisposedException)
            {
                // Either the pack got full meanwhile, and was flushed before it was closed; or the writer failed.
                lock (_gate)
                {
                    if (generation != _generation)
                    {
                        throw new StorageException($"Another write to the store at '{_options.Path}' failed.", isTransient: true);
                    }
                }
            }
        }

        // ---- recovery ----

        /// <summary>
        /// After a power loss the index may know less of a pack than was acknowledged. Whoever opens the store brings it up to date, unless the pack's writer lives.
        /// </summary>
        private void RecoverAbandonedPacks()
        {
            List<(int Pack, int? Slot, long Length)> packs;
            using (PackIndex.Reader reader = Index.Rent())
            {
                packs = reader.ListOpenPacks();
            }

            foreach ((int pack, int? slot, long length) in packs)
            {
                FileInfo file = new(Files.PathOf(pack));
                if (slot is { } number && file.Exists && file.Length > length)
                {
                    List<IndexRow> recovered = [];
                    lock (_indexGate)
                    {
                        using PackWriter? writer = PackWriter.TryAcquire(Files, Index, number, Flushes, recovered);
                        if (writer is not null)
                        {
                            CommitRecovered(recovered, writer);
                        }
                    }
                }
            }
        }

        /// <summary>
        /// Enters in the index what lies in packs that it does not know at all, or only in part though they are closed: it was lost, replaced by an older one, or is
        /// being rebuilt. A pack gets its row at the end, so that the next to open the store begins with it again if this is interrupted.
        /// </summary>
        private void IndexUnknownPacks()
        {
            // Files first: a pack that is being begun right now has its row before it has a file.
            List<int> onDisk = [.. Directory.EnumerateFiles(Files.Folder, "*.pack").Select(PackFiles.NumberOf).OfType<int>().Order()];
            Dictionary<int, (int? Slot, long Length)> known;
            using (PackIndex.Reader reader = Index.Rent())
            {
                known = reader.ListPacks().ToDictionary(pack => pack.Pack, pack => (pack.Slot, pack.Length));
            }

            foreach (int pack in onDisk)
            {
                (int? slot, long covered) = known.GetValueOrDefault(pack);
                long length = Files.LengthOf(pack);
                if (slot is null && (length > covered || !known.ContainsKey(pack)))
                {
                    IndexPack(pack, covered, length);
                }
            }
        }

        private void IndexPack(int pack, long offset, long length)
        {
            string path = Files.PathOf(pack);
            Log.IndexingPack(_logger, path);
            if (Flushes)
            {
                using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
                RandomAccess.FlushToDisk(file); // once in the index, a record counts as stored
            }

            List<IndexRow> rows = [];
            foreach ((RecordHeader header, long at) in Files.Salvage(pack, offset, length, ReportDamage))
            {
                if (offset > 0 && header.IsProvisional)
                {
                    continue; // only where the whole pack is read, all that it refers to has been read before
                }

                rows.Add(new IndexRow(header.Kind, header.Key, new RecordLocation(pack, at, header.StoredLength, header.LogicalLength), header.Time));
                IndexedRecords++;
                if (rows.Count == MaxBatchRows)
                {
                    Commit();
                }
            }

            Commit();
            IndexedPacks++;
            lock (_indexGate)
            {
                Index.AddPack(pack, length);
            }

            void Commit()
            {
                lock (_indexGate)
                {
                    Index.Commit(rows, pack, 0);
                }

                rows.Clear();
            }

            void ReportDamage(long from, long count)
            {
                Log.SkippedDamage(_logger, path, from, count);
                SkippedBytes += count;
            }
        }

        /// <summary>What was found in packs that the index did not know, when the store was opened.</summary>
        public int IndexedPacks { get; private set; }

        /// <inheritdoc cref="IndexedPacks"/>
        public long IndexedRecords { get; private set; }

        /// <inheritdoc cref="IndexedPacks"/>
        public long SkippedBytes { get; private set; }

        // ---- closing ----

        public async Task CloseAsync()
        {
            Task committer;
            lock (_gate)
            {
                StartCommit(); // nothing can be added between this and the next line
                _closed = true;
                committer = _committer;
            }

            await committer.ConfigureAwait(false);
            lock (_gate)
            {
                _writer?.Dispose();
                _writer = null;
                _current.Fail(new ObjectDisposedException(nameof(LocalStore)));
            }

            Index.Dispose();
            Files.Dispose();
        }

        private void ThrowIfClosed() => ObjectDisposedException.ThrowIf(_closed, typeof(LocalStore));
    }
}
