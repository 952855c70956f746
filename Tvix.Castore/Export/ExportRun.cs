using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>One export: goes through the tree, makes its folders and links, and gives its files to several that write them.</summary>
/// <remarks>
/// Files are put in batches. Other threads take one after another, read it and write it; and when enough of them are ahead, so does the one that goes through the tree, instead of waiting.
/// So the memory of an export is that of one batch for each of them, and what a batch reads is written while it is still in the processor's cache.
/// </remarks>
internal sealed partial class ExportRun : IDisposable
{
    private const int MaxBatchesAhead = 6;
    private const int MaxOpenFolders = 64;

    // With a store at hand, a writer is busy all the time; otherwise it mostly waits for bytes to arrive.
    private const int MaxWritersAtHand = 4;
    private const int MaxWritersFarAway = 8;

    // Longer files may be kept in chunks, which are then read like small files.
    private const ulong MaxWholeAtHand = 128 << 10;
    private const ulong MaxWholeFarAway = 1 << 20;
    private const ulong MaxChunk = 16 << 20;

    private const uint FolderMode = 0x1ff; // 0777

    private readonly IBlobService _blobs;
    private readonly IDirectoryService _directories;
    private readonly ExportFolder _top;
    private readonly LinkFolder? _links;
    private readonly ExportCounters _counters;
    private readonly CancellationTokenSource _stop;
    private readonly bool _atHand;
    private readonly List<Level> _levels = [];
    private readonly ConcurrentQueue<ExportBatch> _ahead = new();
    private readonly Task[] _writers;
    private ExportBatch _batch = new();
    private ExceptionDispatchInfo? _failure;
    private bool _made;

    /// <summary>Starts nothing yet.</summary>
    /// <exception cref="ExportException">The folder to write to, or that with links, cannot be opened.</exception>
    public ExportRun(
        IBlobService blobs,
        IDirectoryService directories,
        byte[] parent,
        FileSystemExportOptions options,
        ExportCounters counters,
        CancellationTokenSource stop)
    {
        _blobs = blobs;
        _directories = directories;
        _counters = counters;
        _stop = stop;
        _atHand = ServiceCapabilities.Find<IStoredPieceSource>(blobs) is not null;
        _writers = new Task[_atHand ? Math.Min(Environment.ProcessorCount, MaxWritersAtHand) - 1 : MaxWritersFarAway];
        _writers.AsSpan().Fill(Task.CompletedTask);
        _top = new ExportFolder(null, default, LibC.OpenAt(LibC.CurrentFolder, parent, LibC.ReadOnly | LibC.Directory));
        if (_top.Descriptor < 0)
        {
            throw _top.Error(default, "the folder that it is to be written to cannot be opened");
        }

        try
        {
            _links = options.LinkFolder is { } links ? LinkFolder.Open(links, options.LinkKind, options.CheckLinks) : null;
        }
        catch
        {
            _top.Release();
            throw;
        }
    }

    /// <summary>Why files were not linked; <see langword="null"/> if nothing prevented it.</summary>
    public string? LinkFailure => _links?.Failure;

    private CancellationToken Cancelled => _stop.Token;

    /// <summary>Writes the tree. If that fails, it removes what it made.</summary>
    public async Task RunAsync(Node root, PathComponent name)
    {
        try
        {
            await AddAsync(_top, name, root).ConfigureAwait(false);
            while (_levels.Count > 0)
            {
                await StepAsync().ConfigureAwait(false);
            }

            await StartBatchAsync(0).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await FailAsync(e).ConfigureAwait(false); // and is thrown below
        }

        await Task.WhenAll(_writers).ConfigureAwait(false);
        if (_failure is not null)
        {
            Abandon();
            if (_made)
            {
                FolderRemoval.TryRemove(_top.Descriptor, name);
            }

            _failure.Throw();
        }
    }

    public void Dispose()
    {
        _top.Release();
        _links?.Dispose();
    }

    // ---- the tree ----

    private ValueTask StepAsync()
    {
        Cancelled.ThrowIfCancellationRequested();
        Level level = _levels[^1];
        if (level.Next == level.Directory.Count)
        {
            LeaveDirectory(level);
            return default;
        }

        DirectoryEntry entry = level.Directory[level.Next++];
        return AddAsync(level.Folder, entry.Name, entry.Node);
    }

    private ValueTask AddAsync(ExportFolder folder, PathComponent name, Node node)
    {
        switch (node)
        {
            case Node.Directory directory:
                return EnterDirectoryAsync(folder, name, directory);
            case Node.Symlink link:
                MakeSymlink(folder, name, link.Target);
                return default;
            default:
                Node.File file = (Node.File)node;
                return file.Size <= (_atHand ? MaxWholeAtHand : MaxWholeFarAway) ? AddWholeAsync(folder, name, file) : AddLargeAsync(folder, name, file);
        }
    }

    private async ValueTask EnterDirectoryAsync(ExportFolder folder, PathComponent name, Node.Directory node)
    {
        CastoreDirectory directory = await _directories.GetAsync(node.Digest, Cancelled).ConfigureAwait(false)
            ?? throw new StorageException($"The directory {node.Digest} is missing from the store.");
        _levels.Add(new Level(MakeFolder(folder, name), directory));
        if (_levels.Count > MaxOpenFolders)
        {
            // Opened again through '..' on the way back.
            _levels[_levels.Count - 1 - MaxOpenFolders].Close();
        }
    }

    private ExportFolder MakeFolder(ExportFolder folder, PathComponent name)
    {
        Span<byte> terminated = name.WriteTerminated(stackalloc byte[PathComponent.MaxLength + 1]);
        if (LibC.MakeDirectoryAt(folder.Descriptor, terminated, FolderMode) != 0)
        {
            throw folder.Error(name, "the folder cannot be made");
        }

        _made = true;
        int descriptor = LibC.OpenAt(folder.Descriptor, terminated, LibC.ReadOnly | LibC.Directory | LibC.NoFollow);
        if (descriptor < 0)
        {
            throw folder.Error(name, "the folder cannot be opened");
        }

        _counters.AddDirectory();
        return new ExportFolder(folder, name, descriptor);
    }

    private void LeaveDirectory(Level level)
    {
        if (_levels.Count > 1 && _levels[^2].IsClosed)
        {
            int above = LibC.OpenAt(level.Folder.Descriptor, "..\0"u8, LibC.ReadOnly | LibC.Directory);
            if (above < 0)
            {
                throw level.Folder.Error(default, "the folder above cannot be opened again");
            }

            _levels[^2].OpenAgain(above);
        }

        level.Close();
        _levels.RemoveAt(_levels.Count - 1);
    }

    private void MakeSymlink(ExportFolder folder, PathComponent name, SymlinkTarget target)
    {
        Span<byte> terminated = name.WriteTerminated(stackalloc byte[PathComponent.MaxLength + 1]);
        if (LibC.SymlinkAt([.. target.Bytes, 0], folder.Descriptor, terminated) != 0)
        {
            throw folder.Error(name, "the link cannot be made");
        }

        _made = true;
        _counters.AddSymlink();
    }

    // ---- batches ----

    private ValueTask AddWholeAsync(ExportFolder folder, PathComponent name, Node.File file) =>
        AddPieceAsync(new ExportPiece(folder, name, file, -1), IsEmpty(file) ? null : new BlobChunk(file.Digest, file.Size));

    private static bool IsEmpty(Node.File file) => file.Size == 0 && file.Digest == B3Digest.Empty;

    private ValueTask AddPieceAsync(in ExportPiece piece, BlobChunk? blob)
    {
        if (_batch.Fits(piece.Folder, (long)(blob?.Size ?? 0)))
        {
            _batch.Add(piece, blob);
            return default;
        }

        return AddToNextAsync(piece, blob);
    }

    private async ValueTask AddToNextAsync(ExportPiece piece, BlobChunk? blob)
    {
        // The walk may go on, and leave the folder, while others write what is in it.
        await StartBatchAsync(MaxBatchesAhead).ConfigureAwait(false);
        _batch.Add(piece, blob);
    }

    /// <summary>Adds a file of which the store may have parts.</summary>
    private async ValueTask AddLargeAsync(ExportFolder folder, PathComponent name, Node.File file)
    {
        if (_links is not null && TryLink(folder, name, file))
        {
            _counters.AddLinked(1, (long)file.Size);
            return;
        }

        IReadOnlyList<BlobChunk>? chunks = _atHand ? await _blobs.GetChunksAsync(file.Digest, Cancelled).ConfigureAwait(false) : null;
        if (chunks is { Count: 0 } && file.Size <= MaxChunk)
        {
            await AddWholeAsync(folder, name, file).ConfigureAwait(false);
            return;
        }

        if (chunks is null || !AreParts(chunks, file))
        {
            // Read as a stream, which also tells what is wrong, if anything is.
            await StartBatchAsync(MaxBatchesAhead).ConfigureAwait(false);
            _batch.Add(new ExportPiece(folder, name, file, -1), null);
            await StartBatchAsync(MaxBatchesAhead).ConfigureAwait(false);
            return;
        }

        ExportParts parts = new(Create(folder, name, file.Executable), (long)file.Size);
        try
        {
            long offset = 0;
            foreach (BlobChunk chunk in chunks)
            {
                Cancelled.ThrowIfCancellationRequested();
                await AddPieceAsync(new ExportPiece(folder, name, file, -1, parts, offset), chunk).ConfigureAwait(false);
                offset += (long)chunk.Size;
            }
        }
        finally
        {
            parts.Release();
        }
    }

    private static bool AreParts(IReadOnlyList<BlobChunk> chunks, Node.File file)
    {
        UInt128 size = 0;
        foreach (BlobChunk chunk in chunks)
        {
            if (chunk.Size is 0 or > MaxChunk)
            {
                return false;
            }

            size += chunk.Size;
        }

        return size == file.Size;
    }

    /// <summary>Lets the batch be written, and writes until no more than so many are waiting for it.</summary>
    private async ValueTask StartBatchAsync(int ahead)
    {
        ExportBatch batch = _batch;
        _batch = new ExportBatch();
        _ahead.Enqueue(batch);
        for (int i = 0; i < _writers.Length; i++)
        {
            if (_writers[i].IsCompleted)
            {
                _writers[i] = Task.Run(WriteAllAsync, CancellationToken.None);
                break;
            }
        }

        while (_ahead.Count > ahead && _ahead.TryDequeue(out ExportBatch? next))
        {
            using (next)
            {
                await WriteAsync(next).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Writes as long as there is anything to write. Does not fail.</summary>
    private async Task WriteAllAsync()
    {
        while (!Cancelled.IsCancellationRequested && _ahead.TryDequeue(out ExportBatch? batch))
        {
            using (batch)
            {
                try
                {
                    await WriteAsync(batch).ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    await FailAsync(e).ConfigureAwait(false); // and is thrown by the one that goes through the tree
                }
            }
        }
    }

    /// <summary>Keeps the first of all failures, and ends the export.</summary>
    private async Task FailAsync(Exception e)
    {
        Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
        await _stop.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Lets go of all folders and files that are open.</summary>
    private void Abandon()
    {
        _batch.Dispose();
        while (_ahead.TryDequeue(out ExportBatch? batch))
        {
            batch.Dispose();
        }

        foreach (Level level in _levels)
        {
            level.Close();
        }
    }

    /// <summary>A folder that the walk is in.</summary>
    private sealed class Level(ExportFolder folder, CastoreDirectory directory)
    {
        public ExportFolder Folder { get; private set; } = folder;

        public CastoreDirectory Directory => directory;

        /// <summary>The entry that comes next.</summary>
        public int Next { get; set; }

        public bool IsClosed { get; private set; }

        public void Close()
        {
            if (!IsClosed)
            {
                IsClosed = true;
                Folder.Release();
            }
        }

        public void OpenAgain(int descriptor)
        {
            Folder = new ExportFolder(Folder.Parent, Folder.Name, descriptor);
            IsClosed = false;
        }
    }
}
