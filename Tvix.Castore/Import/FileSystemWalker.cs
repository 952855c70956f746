using System.Text;
using Microsoft.Win32.SafeHandles;
using Tvix.Castore.Blake3;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>
/// Walks a tree on disk in NAR order and reads its files, each opened, checked and read once, relative to its open folder, without following links.
/// </summary>
/// <remarks>
/// No recursion, and no more than <see cref="MaxOpenFolders"/> folders are open at a time: those further up are closed, and opened again through <c>..</c> on the
/// way back, which must lead to the same folder.
/// </remarks>
/// <param name="options">What to do with what cannot be stored.</param>
/// <param name="hashFirst">Whether files that travel in parts are read once more before that, for their digest.</param>
/// <param name="cache">Takes note of files; <see langword="null"/> for nobody.</param>
/// <param name="known">Which remembered digests may be relied on; <see langword="null"/> for none.</param>
/// <param name="takeBatch">Gives a batch to fill; waits until there is one.</param>
/// <param name="emitBatch">Takes a batch that is full.</param>
/// <param name="cancellationToken">Ends the walk.</param>
internal sealed class FileSystemWalker(
    FileSystemImportOptions options,
    bool hashFirst,
    ChangeCache? cache,
    Predicate<B3Digest>? known,
    Func<TreeBatch> takeBatch,
    Action<TreeBatch> emitBatch,
    CancellationToken cancellationToken)
{
    private const int MaxOpenFolders = 64;

    private readonly List<Frame> _frames = [];
    private readonly byte[] _entryBuffer = GC.AllocateUninitializedArray<byte>(64 << 10);
    private readonly byte[] _targetBuffer = new byte[SymlinkTarget.MaxLength + 1];
    private TreeBatch _batch = null!; // between Walk's beginning and its end

    private sealed class Frame
    {
        public int Folder;
        public LibC.FileStatus Status;
        public FolderListing Listing;
        public int Next;
        public RememberedFiles? Files;
        public int Entries; // how many it has given so far
    }

    /// <summary>What takes note of a tree that is a single file.</summary>
    public RememberedFiles? RootFile { get; private set; }

    /// <summary>Walks everything. The last batch has been emitted when this returns.</summary>
    public void Walk(string path)
    {
        _batch = takeBatch();
        try
        {
            byte[] root = [.. Encoding.UTF8.GetBytes(path), 0];
            if (LibC.StatAt(LibC.CurrentFolder, root, out LibC.FileStatus status) != 0)
            {
                throw ReadError("it cannot be found or looked at");
            }

            if (cache is not null && status.Type == LibC.FileType.Regular)
            {
                RootFile = RememberedFiles.At(cache, root);
            }

            Visit(LibC.CurrentFolder, root, default, status.Type);
            while (_frames.Count > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Frame frame = _frames[^1];
                if (frame.Next == frame.Listing.Count)
                {
                    Leave(frame);
                    continue;
                }

                int index = frame.Next++;
                LibC.FileType type = frame.Listing.Type(index);
                ReadOnlySpan<byte> name = frame.Listing.NameWithNull(index);
                if (type == LibC.FileType.Unknown) // not every file system tells in its listing
                {
                    if (LibC.StatAt(frame.Folder, name, out status) != 0)
                    {
                        throw ReadError("it cannot be looked at");
                    }

                    type = status.Type;
                }

                Visit(frame.Folder, name, frame.Listing.Name(index), type);
            }

            emitBatch(_batch);
        }
        finally
        {
            foreach (Frame frame in _frames)
            {
                Close(frame);
            }
        }
    }

    private void Visit(int folder, ReadOnlySpan<byte> name, PathComponent component, LibC.FileType type)
    {
        switch (type)
        {
            case LibC.FileType.Folder:
                Enter(folder, name, component);
                break;
            case LibC.FileType.Regular:
                ReadFile(folder, name, component);
                break;
            case LibC.FileType.Symlink:
                ReadLink(folder, name, component);
                break;
            default:
                if (!options.SkipUnsupported || component.IsDefault)
                {
                    throw Error(ImportError.UnsupportedFileType, "it is neither a regular file nor a folder nor a symbolic link");
                }

                break;
        }
    }

    private void Enter(int parent, ReadOnlySpan<byte> name, PathComponent component)
    {
        int folder = LibC.OpenAt(parent, name, LibC.ReadOnly | LibC.Directory | LibC.NoFollow);
        if (folder < 0)
        {
            throw ReadError("the folder cannot be opened");
        }

        Frame frame = new() { Folder = folder };
        try
        {
            if (LibC.Stat(folder, out frame.Status) != 0)
            {
                throw ReadError("the folder cannot be looked at");
            }

            int error = FolderListing.TryRead(folder, _entryBuffer, cancellationToken, out frame.Listing);
            if (error != 0)
            {
                throw ReadError("the folder cannot be listed", error);
            }
        }
        catch
        {
            Close(frame);
            throw;
        }

        if (cache is not null)
        {
            frame.Files = RememberedFiles.Of(cache, folder, in frame.Status);
        }

        CountEntry();
        _frames.Add(frame); // from here on it is closed with the others
        Add(new TreeItem(TreeItemKind.BeginDirectory, component));
        if (_frames.Count > MaxOpenFolders)
        {
            CloseFolder(_frames[_frames.Count - 1 - MaxOpenFolders]);
        }
    }

    private void Leave(Frame frame)
    {
        Add(new TreeItem(TreeItemKind.EndDirectory, Files: frame.Files));
        if (_frames.Count > 1 && _frames[^2] is { Folder: < 0 } parent)
        {
            parent.Folder = LibC.OpenAt(frame.Folder, "..\0"u8, LibC.ReadOnly | LibC.Directory);
            if (parent.Folder < 0)
            {
                throw ReadError("the folder above cannot be opened again");
            }

            if (LibC.Stat(parent.Folder, out LibC.FileStatus status) != 0 || !status.IsSameFile(parent.Status))
            {
                throw Error(ImportError.FileChanged, "the folder was moved during the import");
            }
        }

        Close(frame);
        _frames.RemoveAt(_frames.Count - 1);
    }

    private void ReadLink(int folder, ReadOnlySpan<byte> name, PathComponent component)
    {
        nint length = LibC.ReadLinkAt(folder, name, _targetBuffer);
        if (length < 0)
        {
            throw ReadError("the link cannot be read");
        }

        if (!SymlinkTarget.TryCreate(_targetBuffer.AsSpan(0, (int)length), out SymlinkTarget target))
        {
            throw Error(ImportError.InvalidSymlinkTarget, SymlinkTarget.Describe(SymlinkTarget.Validate(_targetBuffer.AsSpan(0, (int)length))));
        }

        CountEntry();
        Add(new TreeItem(TreeItemKind.Symlink, component, target));
    }

    /// <summary>Counts an entry of the open folder, and gives the number of those before it.</summary>
    private int CountEntry() => _frames.Count > 0 ? _frames[^1].Entries++ : 0;

    private bool IsKnown(RememberedFiles files, int folder, ReadOnlySpan<byte> name, PathComponent component)
    {
        if (known is null
            || LibC.StatAt(folder, name, out LibC.FileStatus status) != 0 || status.Type != LibC.FileType.Regular
            || !files.TryFind(component.Bytes, in status, out B3Digest digest) || !known(digest))
        {
            return false;
        }

        files.SawUnchanged(CountEntry(), in status);
        Add(new TreeItem(TreeItemKind.KnownFile, component, Size: status.Length, Executable: status.IsExecutable, Digest: digest));
        return true;
    }

    private void ReadFile(int folder, ReadOnlySpan<byte> name, PathComponent component)
    {
        RememberedFiles? files = _frames.Count > 0 ? _frames[^1].Files : RootFile;
        if (files is not null && IsKnown(files, folder, name, component))
        {
            return;
        }

        // Non-blocking, so that a pipe put in its place cannot hold the import up.
        int file = LibC.OpenAt(folder, name, LibC.ReadOnly | LibC.NoFollow | LibC.NonBlocking);
        if (file < 0)
        {
            throw ReadError("the file cannot be opened");
        }

        try
        {
            if (LibC.Stat(file, out LibC.FileStatus before) != 0)
            {
                throw ReadError("the file cannot be looked at");
            }

            if (before.Type != LibC.FileType.Regular)
            {
                throw Error(ImportError.FileChanged, "it was replaced by something else during the import");
            }

            bool isSafe = files is not null && files.IsSafe(file, in before);
            if (before.Length <= TreeBatch.MaxWholeFile)
            {
                ReadWhole(file, component, in before);
            }
            else
            {
                ReadInParts(file, component, in before);
            }

            if (LibC.Stat(file, out LibC.FileStatus after) != 0 || !before.IsUnchanged(in after))
            {
                throw Changed();
            }

            int entry = CountEntry();
            files?.SawRead(entry, in before, isSafe);
        }
        finally
        {
            _ = LibC.Close(file);
        }
    }

    private void ReadWhole(int file, PathComponent component, in LibC.FileStatus status)
    {
        int size = (int)status.Length;
        if (_batch.Free <= size) // one byte more, to see that the file ends
        {
            NextBatch();
        }

        int offset = _batch.Used;
        int read = 0;
        while (true)
        {
            nint count = LibC.Read(file, _batch.Buffer.AsSpan(offset + read, size + 1 - read));
            if (count < 0)
            {
                throw ReadError("the file cannot be read");
            }

            read += (int)count;
            if (read > size)
            {
                throw Changed();
            }

            if (read == size || count == 0)
            {
                break;
            }
        }

        if (read != size)
        {
            throw Changed();
        }

        _batch.Used += size;
        Add(new TreeItem(TreeItemKind.WholeFile, component, default, offset, size, status.Length, status.IsExecutable));
    }

    private void ReadInParts(int file, PathComponent component, in LibC.FileStatus status)
    {
        B3Digest? digest = hashFirst ? Hash(file, in status) : null;
        Add(new TreeItem(TreeItemKind.BeginFile, component, Size: status.Length, Executable: status.IsExecutable, Digest: digest));
        ulong read = 0;
        while (read < status.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_batch.Free < TreeBatch.MaxWholeFile / 4)
            {
                NextBatch();
            }

            int offset = _batch.Used;
            nint count = LibC.Read(file, _batch.Buffer.AsSpan(offset, (int)Math.Min((ulong)_batch.Free, status.Length - read)));
            if (count < 0)
            {
                throw ReadError("the file cannot be read");
            }

            if (count == 0)
            {
                throw Changed();
            }

            read += (ulong)count;
            _batch.Used += (int)count;
            Add(new TreeItem(TreeItemKind.FilePart, default, default, offset, (int)count));
        }

        Add(new TreeItem(TreeItemKind.EndFile));
    }

    private B3Digest Hash(int file, in LibC.FileStatus status)
    {
        using SafeFileHandle handle = new(file, ownsHandle: false);
        try
        {
            return Blake3Hasher.HashFile(handle, (long)status.Length, cancellationToken);
        }
        catch (EndOfStreamException)
        {
            throw Changed();
        }
        catch (IOException e)
        {
            throw new ImportException(ImportError.Read, CurrentPath(), $"the file cannot be read: {e.Message}", e);
        }
    }

    private void Add(in TreeItem item)
    {
        _batch.Items.Add(item);
        if (_batch.IsFull)
        {
            NextBatch();
        }
    }

    private void NextBatch()
    {
        emitBatch(_batch);
        _batch = takeBatch();
    }

    private static void Close(Frame frame)
    {
        CloseFolder(frame);
        frame.Listing.Dispose();
    }

    private static void CloseFolder(Frame frame)
    {
        if (frame.Folder >= 0)
        {
            _ = LibC.Close(frame.Folder);
            frame.Folder = -1;
        }
    }

    // ---- errors, with the path of what is being visited, relative to the root ----

    private ImportException Changed() => Error(ImportError.FileChanged, "the file changed while it was being read");

    private ImportException ReadError(string reason) => ReadError(reason, LibC.LastError);

    private ImportException ReadError(string reason, int code)
    {
        IOException cause = LibC.ErrorOf(code);
        return new ImportException(ImportError.Read, CurrentPath(), $"{reason}: {cause.Message}", cause);
    }

    private ImportException Error(ImportError error, string reason) => new(error, CurrentPath(), reason);

    private byte[] CurrentPath()
    {
        List<byte> path = [];
        foreach (Frame frame in _frames)
        {
            if (frame.Next > 0)
            {
                ReadOnlySpan<byte> name = frame.Listing.NameWithNull(frame.Next - 1);
                if (path.Count > 0)
                {
                    path.Add((byte)'/');
                }

                path.AddRange(name[..^1]);
            }
        }

        return path.Count > 0 ? [.. path] : "."u8.ToArray();
    }
}
