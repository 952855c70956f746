using System.Runtime.InteropServices;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>Stores the contents of a tree that comes in batches, and builds its directories bottom-up.</summary>
/// <remarks>
/// Several batches are stored at the same time; directories are built in the order of the tree, when the contents before them are stored. Whole files go to the
/// service together, parts of large ones to a writer.
/// </remarks>
internal sealed class TreeAssembler : IAsyncDisposable
{
    /// <summary>How many missing blobs are remembered. When there are so many, nothing is to be taken for known any more.</summary>
    public const int MaxMissing = 1 << 16;

    private const int ReportEveryMilliseconds = 50;

    private readonly IBlobService _blobs;
    private readonly IDirectoryService _directories;
    private readonly DirectorySizeRule _sizeRule;
    private readonly int _maxInFlight;
    private readonly bool _likelyThere;
    private readonly IProgress<ImportProgress>? _progress;
    private readonly Queue<Stored> _inFlight = new();
    private readonly Stack<Level> _levels = new();
    private readonly List<BlobWriter> _unfinished = []; // writers that are not disposed yet
    private BlobWriter? _writer;
    private readonly Dictionary<B3Digest, Task<B3Digest>> _sent = []; // the large files whose digest was known
    private B3Digest? _writtenDigest;
    private (TreeItem Item, Blake3Hasher Hasher)? _stored; // the large file that the service has, while its parts go by
    private TreeItem _large; // the large file whose end is awaited
    private DirectoryPutter? _putter;
    private Node? _root;
    private readonly HashSet<B3Digest> _missing = [];
    private ImportProgress _done;
    private long _lastReport = Environment.TickCount64 - ReportEveryMilliseconds; // so that the first batch is reported

    /// <param name="blobs">Where contents go.</param>
    /// <param name="directories">Where directories go.</param>
    /// <param name="sizeRule">How the sizes of directories are computed.</param>
    /// <param name="maxInFlight">How many batches it holds at most beside the one that is being added.</param>
    /// <param name="likelyThere">Whether much of the tree is likely to be stored already.</param>
    /// <param name="progress">Is told how far it has come.</param>
    public TreeAssembler(
        IBlobService blobs, IDirectoryService directories, DirectorySizeRule sizeRule, int maxInFlight, bool likelyThere, IProgress<ImportProgress>? progress)
    {
        _maxInFlight = maxInFlight;
        _likelyThere = likelyThere;
        _sizeRule = sizeRule;
        _blobs = blobs;
        _directories = directories;
        _progress = progress;
    }

    /// <summary>The blobs of known files that the store does not have. If there are some, the tree is not complete and its directories are not stored.</summary>
    public IReadOnlyCollection<B3Digest> Missing => _missing;

    /// <summary>A directory that is being built.</summary>
    private readonly record struct Level(PathComponent Name, List<DirectoryEntry> Entries);

    /// <summary>A batch whose contents are on their way to the store.</summary>
    private sealed record Stored(TreeBatch Batch, Task<B3Digest[]> WholeFiles, Task<B3Digest[]> Missing, List<Task> Parts, List<Task<B3Digest>> LargeFiles, Action<TreeBatch> Release);

    /// <summary>Begins to store a batch. It is released when it is stored and its entries are in their directories.</summary>
    public async ValueTask AddAsync(TreeBatch batch, Action<TreeBatch> release, CancellationToken cancellationToken)
    {
        Task<B3Digest[]> wholeFiles = StartWholeFiles(batch, cancellationToken);
        Task<B3Digest[]> missing = StartKnownFiles(batch, cancellationToken);
        List<Task> parts = [];
        List<Task<B3Digest>> largeFiles = [];
        _inFlight.Enqueue(new Stored(batch, wholeFiles, missing, parts, largeFiles, release));
        foreach (TreeItem item in batch.Items)
        {
            switch (item.Kind)
            {
                case TreeItemKind.BeginFile when item.Digest is { } digest && await HasAsync(digest, cancellationToken).ConfigureAwait(false):
                    _stored = (item, new Blake3Hasher());
                    break;
                case TreeItemKind.BeginFile:
                    _writtenDigest = item.Digest;
                    _writer = await _blobs.OpenWriteAsync(cancellationToken).ConfigureAwait(false);
                    _unfinished.Add(_writer);
                    break;
                case TreeItemKind.FilePart when _stored is { } stored:
                    stored.Hasher.AppendData(batch.ContentOf(item).Span);
                    break;
                case TreeItemKind.FilePart:
                    parts.Add(await _writer!.WriteLentAsync(batch.ContentOf(item), cancellationToken).ConfigureAwait(false));
                    break;
                case TreeItemKind.EndFile when _stored is { } stored:
                    B3Digest known = CheckStored(stored.Item, stored.Hasher.GetCurrentDigest());
                    largeFiles.Add(_sent.GetValueOrDefault(known) ?? Task.FromResult(known));
                    _stored = null;
                    break;
                case TreeItemKind.EndFile:
                    Task<B3Digest> completion = CompleteAsync(_writer!, cancellationToken);
                    largeFiles.Add(completion);
                    if (_writtenDigest is { } written)
                    {
                        _sent[written] = completion;
                    }

                    _unfinished.Remove(_writer!);
                    _writer = null;
                    break;
            }
        }

        while (_inFlight.Count > _maxInFlight)
        {
            await AssembleNextAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What was read the second time, and maybe shown to a sink, must be what was asked for.</summary>
    private static B3Digest CheckStored(in TreeItem file, B3Digest actual) => actual == file.Digest
        ? actual
        : throw new ImportException(
            ImportError.FileChanged, file.Name.IsDefault ? "."u8.ToArray() : file.Name.Memory, "the file changed while it was being read");

    private ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken) =>
        _sent.ContainsKey(digest) ? new ValueTask<bool>(true) // or will have it soon
        : _blobs.AskedBeforeWriting?.HasAsync(digest, cancellationToken) ?? new ValueTask<bool>(false);

    private async ValueTask AssembleNextAsync(CancellationToken cancellationToken)
    {
        await AssembleAsync(_inFlight.Peek(), cancellationToken).ConfigureAwait(false);
        _inFlight.Dequeue(); // only now: after a failure, what is left of it is still to be waited for
    }

    private Task<B3Digest[]> StartWholeFiles(TreeBatch batch, CancellationToken cancellationToken)
    {
        List<ReadOnlyMemory<byte>> contents = [];
        foreach (TreeItem item in batch.Items)
        {
            if (item.Kind == TreeItemKind.WholeFile)
            {
                contents.Add(batch.ContentOf(item));
            }
        }

        return contents.Count == 0 ? Task.FromResult<B3Digest[]>([]) : Task.Run(PutAsync, cancellationToken);

        async Task<B3Digest[]> PutAsync()
        {
            B3Digest[] digests = new B3Digest[contents.Count];
            await _blobs.PutManyAsync(contents, digests, cancellationToken).ConfigureAwait(false);
            return digests;
        }
    }

    /// <summary>Finds out which of the known files' blobs the store does not have.</summary>
    private Task<B3Digest[]> StartKnownFiles(TreeBatch batch, CancellationToken cancellationToken)
    {
        List<B3Digest> digests = [];
        foreach (TreeItem item in batch.Items)
        {
            if (item.Kind == TreeItemKind.KnownFile)
            {
                digests.Add(item.Digest!.Value);
            }
        }

        return digests.Count == 0 ? Task.FromResult<B3Digest[]>([]) : Task.Run(AskAsync, cancellationToken);

        async Task<B3Digest[]> AskAsync()
        {
            bool[] found = new bool[digests.Count];
            await (_blobs.AskedBeforeWriting ?? ServiceCapabilities.WrittenTo(_blobs)).HasManyAsync(digests, found, cancellationToken).ConfigureAwait(false);
            return [.. digests.Where((_, i) => !found[i])];
        }
    }

    private static async Task<B3Digest> CompleteAsync(BlobWriter writer, CancellationToken cancellationToken)
    {
        await using (writer.ConfigureAwait(false))
        {
            return await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Puts a batch's entries into their directories.</summary>
    private async ValueTask AssembleAsync(Stored stored, CancellationToken cancellationToken)
    {
        B3Digest[] wholeFiles = await stored.WholeFiles.ConfigureAwait(false);
        _missing.UnionWith((await stored.Missing.ConfigureAwait(false)).Take(MaxMissing - _missing.Count));
        int nextWhole = 0;
        int nextLarge = 0;
        foreach (TreeItem item in stored.Batch.Items)
        {
            switch (item.Kind)
            {
                case TreeItemKind.BeginDirectory:
                    _levels.Push(new Level(item.Name, []));
                    break;
                case TreeItemKind.EndDirectory:
                    Level level = _levels.Pop();
                    item.Files?.Remember(CollectionsMarshal.AsSpan(level.Entries)); // before they are sorted
                    CastoreDirectory directory = CastoreDirectory.FromOwnedEntries([.. level.Entries]);
                    if (_missing.Count == 0)
                    {
                        _putter ??= _likelyThere && _blobs.AskedBeforeWriting is not null ? new AskingDirectoryPutter(_directories) : _directories.OpenPutter();
                        await _putter.PutAsync(directory, cancellationToken).ConfigureAwait(false);
                    }

                    Attach(level.Name, directory.ToNode(_sizeRule));
                    _done = _done with { Directories = _done.Directories + 1 };
                    break;
                case TreeItemKind.Symlink:
                    Attach(item.Name, new Node.Symlink(item.Target));
                    _done = _done with { Symlinks = _done.Symlinks + 1 };
                    break;
                case TreeItemKind.WholeFile:
                    Attach(item.Name, new Node.File(wholeFiles[nextWhole++], item.Size, item.Executable));
                    _done = _done with { Files = _done.Files + 1, Bytes = _done.Bytes + item.Length };
                    break;
                case TreeItemKind.KnownFile:
                    Attach(item.Name, new Node.File(item.Digest!.Value, item.Size, item.Executable));
                    _done = _done with { Files = _done.Files + 1 };
                    break;
                case TreeItemKind.BeginFile:
                    _large = item;
                    break;
                case TreeItemKind.FilePart:
                    _done = _done with { Bytes = _done.Bytes + item.Length };
                    break;
                case TreeItemKind.EndFile:
                    B3Digest digest = await stored.LargeFiles[nextLarge++].ConfigureAwait(false);
                    Attach(_large.Name, new Node.File(digest, _large.Size, _large.Executable));
                    _done = _done with { Files = _done.Files + 1 };
                    break;
            }
        }

        await Task.WhenAll(stored.Parts).ConfigureAwait(false);
        stored.Release(stored.Batch);
        Report();
    }

    private void Attach(PathComponent name, Node node)
    {
        if (_levels.TryPeek(out Level level))
        {
            level.Entries.Add(new DirectoryEntry(name, node));
        }
        else
        {
            _root = node;
        }
    }

    /// <summary>Waits until everything is stored, and makes the directories visible.</summary>
    /// <param name="last">What else has to succeed before they may be seen.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<Node> CompleteAsync(Task last, CancellationToken cancellationToken)
    {
        while (_inFlight.Count > 0)
        {
            await AssembleNextAsync(cancellationToken).ConfigureAwait(false);
        }

        await last.ConfigureAwait(false);

        // A walk that fails ends its output as well; it has then cancelled this.
        cancellationToken.ThrowIfCancellationRequested();
        Node root = _root ?? throw new ImportException(ImportError.NotATree, default, "the tree has no root");
        if (_missing.Count > 0)
        {
            return root;
        }

        if (_putter is not null)
        {
            B3Digest digest = await _putter.CompleteAsync(cancellationToken).ConfigureAwait(false);
            if (root is not Node.Directory directory || directory.Digest != digest)
            {
                throw new StorageException($"The directory service answered {digest} for the upload of {root}.");
            }
        }

        _progress?.Report(_done);
        return root;
    }

    private void Report()
    {
        if (_progress is not null && Environment.TickCount64 - _lastReport >= ReportEveryMilliseconds)
        {
            _lastReport = Environment.TickCount64;
            _progress.Report(_done);
        }
    }

    /// <summary>Waits for what is still on its way, so that no buffer is read after this, and discards what is not complete.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (Stored stored in _inFlight)
        {
            await Task.WhenAll([stored.WholeFiles, stored.Missing, .. stored.Parts, .. stored.LargeFiles]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        foreach (BlobWriter writer in _unfinished)
        {
            await writer.DisposeAsync().ConfigureAwait(false);
        }

        if (_putter is not null)
        {
            await _putter.DisposeAsync().ConfigureAwait(false);
        }
    }
}
