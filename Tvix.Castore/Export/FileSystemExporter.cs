using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>Writes trees to disk, as they were imported: names and symlink targets byte by byte, and the executable bit.</summary>
/// <remarks>
/// Files get mode 0666, or 0777 when executable, and folders 0777, less the process's umask. Everything is made new, relative to the open folder it belongs in:
/// nothing that exists is overwritten, and no link is followed, least of all one just written. Contents are verified before they are written. Contents are read
/// ahead while others are written, within a fixed budget.
/// </remarks>
/// <param name="blobs">Where contents come from.</param>
/// <param name="directories">Where directories come from.</param>
public sealed class FileSystemExporter(IBlobService blobs, IDirectoryService directories)
{
    private const int MaxWholeFile = 1 << 20;
    private const int CopyBufferSize = 1 << 20;
    private const int ReadAheadFiles = 256;
    private const long ReadAheadBytes = 16 << 20;
    private const int MaxOpenFolders = 64;
    private const uint FileMode = 0x1b6; // 0666
    private const uint ExecutableMode = 0x1ff; // 0777

    private enum StepKind
    {
        BeginDirectory,
        EndDirectory,
        File,
        Symlink,
    }

    private readonly record struct Step(StepKind Kind, PathComponent Name, Node Node, BlobContent? Content = null);

    /// <summary>Writes a tree.</summary>
    /// <param name="root">What to write.</param>
    /// <param name="path">Where its root goes. Nothing may be there yet; the folder it is in must exist.</param>
    /// <param name="progress">Is told how far the export has come.</param>
    /// <param name="cancellationToken">Ends the export.</param>
    /// <exception cref="ArgumentException"><paramref name="path"/> is none, or its last component cannot be a name.</exception>
    /// <exception cref="ExportException">The disk refused something, such as a name or a path that exists. What was written has been removed.</exception>
    /// <exception cref="StorageException">A service failed, or does not have something of the tree.</exception>
    /// <exception cref="DigestMismatchException">Something of the tree is damaged in the store.</exception>
    /// <exception cref="PlatformNotSupportedException">The operating system is not Linux.</exception>
    public async ValueTask ExportAsync(
        Node root, string path, IProgress<ExportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentException.ThrowIfNullOrEmpty(path);
        LibC.ThrowIfNotLinux();
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        string parent = System.IO.Path.GetDirectoryName(full) ?? throw new ArgumentException($"'{path}' is the root of the file system.", nameof(path));
        PathComponent name = new(System.IO.Path.GetFileName(full));
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Channel<Step> steps = Channel.CreateBounded<Step>(new BoundedChannelOptions(ReadAheadFiles) { SingleReader = true, SingleWriter = true });
        ByteBudget budget = new(ReadAheadBytes);
        Task produce = Task.Run(() => ProduceAsync(root, name, steps.Writer, budget, stop.Token), stop.Token);
        try
        {
            using Writer writer = new(parent, progress);
            try
            {
                await foreach (Step step in steps.Reader.ReadAllAsync(stop.Token).ConfigureAwait(false))
                {
                    using (step.Content)
                    {
                        stop.Token.ThrowIfCancellationRequested(); // which the channel does only when it has to wait
                        await WriteAsync(writer, step, stop.Token).ConfigureAwait(false);
                    }

                    if (step.Content is not null)
                    {
                        budget.Release((long)((Node.File)step.Node).Size);
                    }
                }

                writer.ReportEnd();
            }
            catch
            {
                writer.RemoveAll(name);
                throw;
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await produce.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (steps.Reader.TryRead(out Step left))
            {
                left.Content?.Dispose();
            }
        }
    }

    private async ValueTask WriteAsync(Writer writer, Step step, CancellationToken cancellationToken)
    {
        switch (step.Kind)
        {
            case StepKind.BeginDirectory:
                writer.BeginDirectory(step.Name);
                break;
            case StepKind.EndDirectory:
                writer.EndDirectory();
                break;
            case StepKind.Symlink:
                writer.Symlink(step.Name, ((Node.Symlink)step.Node).Target);
                break;
            default:
                Node.File file = (Node.File)step.Node;
                if (step.Content is { } content)
                {
                    writer.WriteFile(step.Name, file.Executable, content.Memory.Span);
                }
                else
                {
                    await CopyAsync(writer, step.Name, file, cancellationToken).ConfigureAwait(false);
                }

                break;
        }
    }

    /// <summary>Copies a file that is too large to be read ahead.</summary>
    private async ValueTask CopyAsync(Writer writer, PathComponent name, Node.File file, CancellationToken cancellationToken)
    {
        Stream stream = await blobs.OpenReadAsync(file.Digest, cancellationToken).ConfigureAwait(false) ?? throw Missing(file);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyBufferSize);
        int descriptor = -1;
        try
        {
            descriptor = writer.CreateFile(name, file.Executable);
            ulong copied = 0;
            int read;
            while ((read = await stream.ReadAsync(buffer.AsMemory(0, CopyBufferSize), cancellationToken).ConfigureAwait(false)) > 0)
            {
                copied += (ulong)read;
                writer.Write(descriptor, name, buffer.AsSpan(0, read));
            }

            CheckSize(file, copied);
            writer.CountFile();
        }
        finally
        {
            writer.CloseFile(descriptor);
            ArrayPool<byte>.Shared.Return(buffer);
            await stream.DisposeAsync().ConfigureAwait(false);
        }
    }

    // ---- what to write, in order, with the contents of small files ----

    private async Task ProduceAsync(Node root, PathComponent name, ChannelWriter<Step> steps, ByteBudget budget, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            Stack<(CastoreDirectory Directory, int Next)> levels = new();
            (PathComponent Name, Node Node)? current = (name, root);
            while (true)
            {
                if (current is { } entry)
                {
                    current = null;
                    if (entry.Node is Node.Directory child)
                    {
                        CastoreDirectory directory = await directories.GetAsync(child.Digest, cancellationToken).ConfigureAwait(false)
                            ?? throw new StorageException($"The directory {child.Digest} is missing from the store.");
                        await steps.WriteAsync(new Step(StepKind.BeginDirectory, entry.Name, entry.Node), cancellationToken).ConfigureAwait(false);
                        levels.Push((directory, 0));
                    }
                    else
                    {
                        Step step = await PrepareAsync(entry.Name, entry.Node, budget, cancellationToken).ConfigureAwait(false);
                        try
                        {
                            await steps.WriteAsync(step, cancellationToken).ConfigureAwait(false);
                        }
                        catch
                        {
                            step.Content?.Dispose();
                            throw;
                        }
                    }
                }
                else if (!levels.TryPop(out (CastoreDirectory Directory, int Next) level))
                {
                    break;
                }
                else if (level.Next < level.Directory.Count)
                {
                    levels.Push((level.Directory, level.Next + 1));
                    current = (level.Directory[level.Next].Name, level.Directory[level.Next].Node);
                }
                else
                {
                    await steps.WriteAsync(new Step(StepKind.EndDirectory, default, root), cancellationToken).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e)
        {
            failure = e;
        }
        finally
        {
            steps.Complete(failure);
        }
    }

    private async ValueTask<Step> PrepareAsync(PathComponent name, Node node, ByteBudget budget, CancellationToken cancellationToken)
    {
        if (node is not Node.File file)
        {
            return new Step(StepKind.Symlink, name, node);
        }

        if (file.Size > MaxWholeFile)
        {
            return new Step(StepKind.File, name, file);
        }

        await budget.TakeAsync((long)file.Size, cancellationToken).ConfigureAwait(false);
        BlobContent content;
        try
        {
            content = await blobs.ReadAsync(file.Digest, MaxWholeFile, cancellationToken).ConfigureAwait(false) ?? throw Missing(file);
        }
        catch (InvalidOperationException e) when (e is not ObjectDisposedException)
        {
            throw new StorageException($"The blob {file.Digest} is larger than the {file.Size} bytes that its node says.", e);
        }

        try
        {
            CheckSize(file, (ulong)content.Memory.Length);
        }
        catch
        {
            content.Dispose();
            throw;
        }

        return new Step(StepKind.File, name, file, content);
    }

    private static StorageException Missing(Node.File file) => new($"The blob {file.Digest} is missing from the store.");

    private static void CheckSize(Node.File file, ulong actual)
    {
        if (actual != file.Size)
        {
            throw new StorageException($"The blob {file.Digest} has {actual} bytes; its node says {file.Size}.");
        }
    }

    /// <summary>The system's calls, with the path for messages.</summary>
    private sealed class Writer : IDisposable
    {
        private readonly int _top;
        private const int ReportEveryMilliseconds = 50;

        private readonly IProgress<ExportProgress>? _progress;
        private long _lastReport = Environment.TickCount64 - ReportEveryMilliseconds; // so that the first thing written is reported
        private readonly List<(PathComponent Name, int Folder)> _levels = [];
        private readonly byte[] _name = new byte[PathComponent.MaxLength + 1];
        private ExportProgress _done;
        private bool _made;

        public Writer(string parent, IProgress<ExportProgress>? progress)
        {
            _progress = progress;
            _top = LibC.OpenAt(LibC.CurrentFolder, [.. Encoding.UTF8.GetBytes(parent), 0], LibC.ReadOnly | LibC.Directory);
            if (_top < 0)
            {
                throw Error(default, "the folder that it is to be written to cannot be opened");
            }
        }

        private int Folder => _levels.Count == 0 ? _top : _levels[^1].Folder;

        public void BeginDirectory(PathComponent name)
        {
            if (LibC.MakeDirectoryAt(Folder, Terminated(name), ExecutableMode) != 0)
            {
                throw Error(name, "the folder cannot be made");
            }

            _made = true;
            int folder = LibC.OpenAt(Folder, Terminated(name), LibC.ReadOnly | LibC.Directory | LibC.NoFollow);
            if (folder < 0)
            {
                throw Error(name, "the folder cannot be opened");
            }

            _levels.Add((name, folder));
            if (_levels.Count > MaxOpenFolders)
            {
                // Opened again through '..' on the way back.
                int far = _levels.Count - 1 - MaxOpenFolders;
                _ = LibC.Close(_levels[far].Folder);
                _levels[far] = (_levels[far].Name, -1);
            }
        }

        public void EndDirectory()
        {
            int folder = Folder;
            if (_levels.Count > 1 && _levels[^2].Folder < 0)
            {
                int above = LibC.OpenAt(folder, "..\0"u8, LibC.ReadOnly | LibC.Directory);
                if (above < 0)
                {
                    throw Error(default, "the folder above cannot be opened again");
                }

                _levels[^2] = (_levels[^2].Name, above);
            }

            _ = LibC.Close(folder);
            _levels.RemoveAt(_levels.Count - 1);
            _done = _done with { Directories = _done.Directories + 1 };
            Report();
        }

        public void Symlink(PathComponent name, SymlinkTarget target)
        {
            if (LibC.SymlinkAt([.. target.Bytes, 0], Folder, Terminated(name)) != 0)
            {
                throw Error(name, "the link cannot be made");
            }

            _made = true;
            _done = _done with { Symlinks = _done.Symlinks + 1 };
            Report();
        }

        public void WriteFile(PathComponent name, bool executable, ReadOnlySpan<byte> contents)
        {
            int file = CreateFile(name, executable);
            try
            {
                Write(file, name, contents);
                CountFile();
            }
            finally
            {
                CloseFile(file);
            }
        }

        public int CreateFile(PathComponent name, bool executable)
        {
            int file = LibC.OpenAt(
                Folder, Terminated(name), LibC.WriteOnly | LibC.Create | LibC.Exclusive | LibC.NoFollow, executable ? ExecutableMode : FileMode);
            if (file < 0)
            {
                throw Error(name, "the file cannot be made");
            }

            _made = true;
            return file;
        }

        public void Write(int file, PathComponent name, ReadOnlySpan<byte> contents)
        {
            _done = _done with { Bytes = _done.Bytes + contents.Length };
            Report();
            while (!contents.IsEmpty)
            {
                nint written = LibC.Write(file, contents);
                if (written < 0)
                {
                    throw Error(name, "the file cannot be written");
                }

                contents = contents[(int)written..];
            }
        }

        private void Report()
        {
            if (_progress is not null && Environment.TickCount64 - _lastReport >= ReportEveryMilliseconds)
            {
                _lastReport = Environment.TickCount64;
                _progress.Report(_done);
            }
        }

        public void ReportEnd() => _progress?.Report(_done);

        public void CountFile() => _done = _done with { Files = _done.Files + 1 };

        public void CloseFile(int file)
        {
            if (file >= 0)
            {
                _ = LibC.Close(file);
            }
        }

        /// <summary>Takes back everything, if anything was made.</summary>
        public void RemoveAll(PathComponent name)
        {
            if (!_made)
            {
                return;
            }

            CloseLevels();
            FolderRemoval.TryRemove(_top, name);
        }

        private ReadOnlySpan<byte> Terminated(PathComponent name)
        {
            name.Bytes.CopyTo(_name);
            _name[name.Length] = 0;
            return _name.AsSpan(0, name.Length + 1);
        }

        private ExportException Error(PathComponent name, string reason)
        {
            IOException cause = LibC.ErrorOf(LibC.LastError);
            List<byte> path = [];
            foreach ((PathComponent level, _) in _levels.Skip(1))
            {
                path.AddRange(level.Bytes);
                path.Add((byte)'/');
            }

            if (_levels.Count == 0)
            {
                reason = $"at '{name}' {reason}"; // the root is the empty path, which would not tell
            }
            else
            {
                path.AddRange(name.Bytes);
            }

            return new ExportException(path.ToArray(), $"{reason}: {cause.Message}", cause);
        }

        private void CloseLevels()
        {
            foreach ((_, int folder) in _levels)
            {
                CloseFile(folder);
            }

            _levels.Clear();
        }

        public void Dispose()
        {
            CloseLevels();
            _ = LibC.Close(_top);
        }
    }
}
