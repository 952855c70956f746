using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Text;
using System.Threading.Channels;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>Imports trees from disk: files become blobs, folders become directories.</summary>
/// <remarks>
/// <para>A file is executable when its owner may execute it. Times, owners, other mode bits, hard links and extended attributes are not kept; symbolic links are
/// never followed, not even at the root. Names and targets are taken as bytes.</para>
/// <para>The walk with its reading, the storing, and whatever a sink does run at the same time, each in the order of a NAR; between them are buffers of a fixed size.
/// Every file is opened and read once; those of 512 KiB and more twice when the blob service would rather be asked before it is written to
/// (<see cref="IBlobService.AskedBeforeWriting"/>), and then sent only if they are not there. An instance can be used by several threads.</para>
/// <para>With a <see cref="FileSystemImportOptions.ChangeCache"/> and without a sink, files that did not change since the last time are not opened, provided that the blob service
/// still has their contents. Should some be missing, the walk is done once more.</para>
/// </remarks>
/// <param name="blobs">Where contents go.</param>
/// <param name="directories">Where directories go.</param>
/// <param name="options">Settings; <see langword="null"/> for the defaults.</param>
public sealed class FileSystemImporter(IBlobService blobs, IDirectoryService directories, FileSystemImportOptions? options = null)
{
    private readonly FileSystemImportOptions _options = Check(options ?? new FileSystemImportOptions());

    /// <summary>Imports a file, a folder with everything below it, or a symbolic link.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="sink">Sees the tree as it is read, to hash it for example; <see langword="null"/> for nobody.</param>
    /// <param name="progress">Is told how far the import has come, some times a second at most.</param>
    /// <param name="cancellationToken">Ends the import.</param>
    /// <returns>The root. All that it refers to is stored, and as durable as the services promise.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is none.</exception>
    /// <exception cref="ImportException">Something cannot be read, is of an unsupported kind, or changed meanwhile. No directory of the tree is visible.</exception>
    /// <exception cref="StorageException">A service failed.</exception>
    /// <exception cref="PlatformNotSupportedException">The operating system is not Linux.</exception>
    public async ValueTask<Node> ImportAsync(
        string path, ITreeSink? sink = null, IProgress<ImportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        CheckPath(path);
        LibC.ThrowIfNotLinux();
        cancellationToken.ThrowIfCancellationRequested();
        HashSet<B3Digest> missing = [];
        while (true)
        {
            // A sink wants to see all contents.
            Predicate<B3Digest>? known = sink is null && missing.Count < TreeAssembler.MaxMissing ? digest => !missing.Contains(digest) : null;
            (Node root, IReadOnlyCollection<B3Digest> newlyMissing) = await ImportAsync(path, sink, known, progress, cancellationToken).ConfigureAwait(false);
            if (newlyMissing.Count == 0)
            {
                _options.ChangeCache?.Flush();
                return root;
            }

            // Blobs of remembered files are not in the store (any more), so those files have to be read.
            missing.UnionWith(newlyMissing);
        }
    }

    /// <summary>Whether the change cache knows files of a folder, or a file, so that an import without a sink is likely to be cheap.</summary>
    internal bool Remembers(string path)
    {
        CheckPath(path);
        LibC.ThrowIfNotLinux();
        return _options.ChangeCache is { } cache
            && RememberedFiles.At(cache, [.. Encoding.UTF8.GetBytes(path), 0]) is { Any: true };
    }

    private async ValueTask<(Node Root, IReadOnlyCollection<B3Digest> Missing)> ImportAsync(
        string path, ITreeSink? sink, Predicate<B3Digest>? known, IProgress<ImportProgress>? progress, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Pipeline pipeline = new(_options, hasStore: true, sink is not null, blobs.AskedBeforeWriting is not null, known, stop);
        TreeAssembler assembler = new(blobs, directories, _options.SizeRule, pipeline.MaxInFlight, likelyThere: known is not null && _options.ChangeCache is not null, progress);
        await using (assembler.ConfigureAwait(false))
        {
            Task walk = pipeline.Run(() => pipeline.Walk(path));
            Task feed = sink is null ? Task.CompletedTask : pipeline.Run(() => pipeline.Feed(sink, progress: null));
            Task<Node> store = StoreAsync(pipeline, assembler, feed, stop);
            try
            {
                await Task.WhenAll(walk, feed, store).ConfigureAwait(false);
            }
            catch
            {
                // The first failure stopped the others; theirs are only echoes of it.
                cancellationToken.ThrowIfCancellationRequested();
                pipeline.ThrowFirstFailure();
                throw;
            }

            Node root = await store.ConfigureAwait(false);
            pipeline.RootFile?.Remember([new DirectoryEntry(default, root)]);
            return (root, assembler.Missing);
        }
    }

    /// <summary>Shows a file, a folder with everything below it, or a symbolic link to a sink, in the order of a NAR. Nothing is stored.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="sink">Sees the tree. It is called on one other thread, and may take its time: what is read ahead of it is bounded.</param>
    /// <param name="options">Settings; <see langword="null"/> for the defaults.</param>
    /// <param name="progress">Is told how far the sink has come, some times a second at most, and once at the end.</param>
    /// <param name="cancellationToken">Ends the walk.</param>
    /// <exception cref="ImportException">Something cannot be read, is of an unsupported kind, or changed meanwhile.</exception>
    /// <exception cref="PlatformNotSupportedException">The operating system is not Linux.</exception>
    public static async ValueTask WalkAsync(
        string path,
        ITreeSink sink,
        FileSystemImportOptions? options = null,
        IProgress<ImportProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        CheckPath(path);
        ArgumentNullException.ThrowIfNull(sink);
        LibC.ThrowIfNotLinux();
        cancellationToken.ThrowIfCancellationRequested();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Pipeline pipeline = new(Check(options ?? new FileSystemImportOptions()), hasStore: false, hasSink: true, hashFirst: false, known: null, stop);
        Task walk = pipeline.Run(() => pipeline.Walk(path));
        Task feed = pipeline.Run(() => pipeline.Feed(sink, progress));
        try
        {
            await Task.WhenAll(walk, feed).ConfigureAwait(false);
        }
        catch
        {
            cancellationToken.ThrowIfCancellationRequested();
            pipeline.ThrowFirstFailure();
            throw;
        }
    }

    private static async Task<Node> StoreAsync(Pipeline pipeline, TreeAssembler assembler, Task feed, CancellationTokenSource stop)
    {
        try
        {
            await foreach (TreeBatch batch in pipeline.ToStore.ReadAllAsync(stop.Token).ConfigureAwait(false))
            {
                await assembler.AddAsync(batch, pipeline.Release, stop.Token).ConfigureAwait(false);
            }

            return await assembler.CompleteAsync(feed, stop.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            pipeline.Fail(e);
            throw;
        }
    }

    private static void CheckPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A path cannot hold a NUL character.", nameof(path)); // the system would take what is before it
        }
    }

    private static FileSystemImportOptions Check(FileSystemImportOptions options)
    {
        options.Validate();
        return options;
    }

    /// <summary>The buffers between the walk and those who use what it reads.</summary>
    private sealed class Pipeline
    {
        private const int ReportEveryMilliseconds = 50;

        private readonly FileSystemImportOptions _options;
        private readonly bool _hashFirst;
        private readonly Predicate<B3Digest>? _known;
        private readonly CancellationTokenSource _stop;
        private readonly Channel<TreeBatch>? _toStore;
        private readonly BlockingCollection<TreeBatch>? _toSink;
        private readonly BlockingCollection<TreeBatch> _free = new(new ConcurrentStack<TreeBatch>()); // the one used last is still in the cache
        private readonly int _maxBatches;
        private int _batches;
        private ExceptionDispatchInfo? _firstFailure;

        public Pipeline(FileSystemImportOptions options, bool hasStore, bool hasSink, bool hashFirst, Predicate<B3Digest>? known, CancellationTokenSource stop)
        {
            _toStore = hasStore ? Channel.CreateUnbounded<TreeBatch>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true }) : null;
            _options = options;
            _hashFirst = hashFirst;
            _known = known;
            _stop = stop;
            _maxBatches = (int)Math.Min(options.BufferBytes / TreeBatch.BufferSize, 4096);
            _toSink = hasSink ? new BlockingCollection<TreeBatch>() : null;
        }

        /// <summary>After the walk: what takes note of a tree that is a single file.</summary>
        public RememberedFiles? RootFile { get; private set; }

        /// <summary>How many batches may be stored at the same time, so that there is one to fill and one to add.</summary>
        public int MaxInFlight => Math.Min(_options.MaxInFlight, _maxBatches - 2);

        public ChannelReader<TreeBatch> ToStore => _toStore!.Reader;

        /// <summary>Runs a blocking part on a thread of its own.</summary>
        public Task Run(Action part) => Task.Factory.StartNew(
            () =>
            {
                try
                {
                    part();
                }
                catch (Exception e)
                {
                    Fail(e);
                    throw;
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
            TaskScheduler.Default);

        public void Walk(string path)
        {
            Exception? failure = null;
            try
            {
                FileSystemWalker walker = new(_options, _hashFirst, _toStore is null ? null : _options.ChangeCache, _known, Take, Emit, _stop.Token);
                walker.Walk(path);
                RootFile = walker.RootFile;
            }
            catch (Exception e)
            {
                failure = e;
                throw;
            }
            finally
            {
                _toStore?.Writer.Complete(failure);
                _toSink?.CompleteAdding();
            }
        }

        public void Feed(ITreeSink sink, IProgress<ImportProgress>? progress)
        {
            ImportProgress done = default;
            long lastReport = Environment.TickCount64 - ReportEveryMilliseconds; // so that the first batch is reported
            foreach (TreeBatch batch in _toSink!.GetConsumingEnumerable(_stop.Token))
            {
                foreach (TreeItem item in batch.Items)
                {
                    if (!item.Name.IsDefault)
                    {
                        sink.Name(item.Name);
                    }

                    switch (item.Kind)
                    {
                        case TreeItemKind.BeginDirectory:
                            sink.BeginDirectory();
                            done = done with { Directories = done.Directories + 1 };
                            break;
                        case TreeItemKind.EndDirectory:
                            sink.EndDirectory();
                            break;
                        case TreeItemKind.Symlink:
                            sink.Symlink(item.Target);
                            done = done with { Symlinks = done.Symlinks + 1 };
                            break;
                        case TreeItemKind.WholeFile:
                            sink.BeginFile(item.Size, item.Executable);
                            sink.Contents(batch.ContentOf(item).Span);
                            sink.EndFile();
                            done = done with { Files = done.Files + 1, Bytes = done.Bytes + item.Length };
                            break;
                        case TreeItemKind.BeginFile:
                            sink.BeginFile(item.Size, item.Executable);
                            break;
                        case TreeItemKind.FilePart:
                            sink.Contents(batch.ContentOf(item).Span);
                            done = done with { Bytes = done.Bytes + item.Length };
                            break;
                        case TreeItemKind.EndFile:
                            sink.EndFile();
                            done = done with { Files = done.Files + 1 };
                            break;
                    }
                }

                Release(batch);
                if (progress is not null && Environment.TickCount64 - lastReport >= ReportEveryMilliseconds)
                {
                    lastReport = Environment.TickCount64;
                    progress.Report(done);
                }
            }

            progress?.Report(done);
        }

        private TreeBatch Take()
        {
            if (!_free.TryTake(out TreeBatch? batch))
            {
                batch = _batches++ < _maxBatches ? new TreeBatch() : _free.Take(_stop.Token);
            }

            batch.Reset((_toStore is null ? 0 : 1) + (_toSink is null ? 0 : 1));
            return batch;
        }

        private void Emit(TreeBatch batch)
        {
            _toSink?.Add(batch);
            _toStore?.Writer.TryWrite(batch);
        }

        /// <summary>One of those who use a batch is through with it.</summary>
        public void Release(TreeBatch batch)
        {
            if (batch.Release())
            {
                _free.Add(batch);
            }
        }

        public void Fail(Exception failure)
        {
            Interlocked.CompareExchange(ref _firstFailure, ExceptionDispatchInfo.Capture(failure), null);
            _stop.Cancel();
        }

        public void ThrowFirstFailure() => _firstFailure?.Throw();
    }
}
