using System.Buffers;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>
/// Stores the tree that a tar archive holds: ustar, GNU and pax, plain or compressed with gzip or zstd, which is told by its first bytes.
/// </summary>
/// <remarks>
/// <para>Nothing is ever written to a file system, and no link is followed: symlinks are stored as they are, wherever they point. Paths
/// that are absolute or lead out of the archive are errors. A hard link becomes another file with the contents of the member that it names,
/// which must come before it. Owners, times and all of the mode but the owner's execute bit are lost; holes of sparse files become
/// zeros.</para>
/// <para>Memory grows with the number of entries, and beyond that stays within <see cref="TarImportOptions.MaxBufferedBytes"/> and a
/// megabyte or two. Blobs are stored as they come, also those of members that a later one replaces; directories at the end. Thread-safe.
/// Spec: castore §6.3.</para>
/// </remarks>
public sealed class TarImporter
{
    private const int CopyLength = 1 << 20;
    private const int EntriesPerReport = 256;

    private readonly IBlobService _blobs;
    private readonly IDirectoryService _directories;
    private readonly TarImportOptions _options;

    /// <summary>Makes an importer.</summary>
    /// <param name="blobs">Where file contents go.</param>
    /// <param name="directories">Where directories go.</param>
    /// <param name="options">How archives are read; not to be changed afterwards. The defaults when <see langword="null"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public TarImporter(IBlobService blobs, IDirectoryService directories, TarImportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(blobs);
        ArgumentNullException.ThrowIfNull(directories);
        options ??= new TarImportOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxEntries, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxContentBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxBufferedBytes, 1 << 16);
        _blobs = blobs;
        _directories = directories;
        _options = options;
    }

    /// <summary>Stores the tree of an archive.</summary>
    /// <param name="archive">
    /// The archive, read from where it stands on. It stays open; what follows the end of the archive may have been read.
    /// </param>
    /// <param name="progress">Told now and then how far the import has come, and once at the end.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The root of the tree.</returns>
    /// <exception cref="ImportException">
    /// The archive or something in it cannot be imported; <see cref="ImportException.Error"/> tells what.
    /// </exception>
    /// <exception cref="PlatformNotSupportedException">The archive is compressed with zstd, and libzstd is not there.</exception>
    /// <exception cref="StorageException">The blobs or directories could not be stored.</exception>
    public async Task<Node> ImportAsync(
        Stream archive, IProgress<ImportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        (Stream tar, bool isCompressed) = await TarCompression.OpenAsync(archive, cancellationToken).ConfigureAwait(false);
        await using (tar.ConfigureAwait(false))
        {
            using TarStreamReader reader = new(tar, _options.AllowMissingEndMarker);
            Import import = new(this, reader, progress);
            await using (import.ConfigureAwait(false))
            {
                TarTree.Entry root = await import.ReadAsync(cancellationToken).ConfigureAwait(false);
                if (isCompressed)
                {
                    await reader.DrainAsync(cancellationToken).ConfigureAwait(false);
                }

                await import.CompleteBlobsAsync(cancellationToken).ConfigureAwait(false);
                return await import.StoreDirectoriesAsync(root, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The import of one archive.</summary>
    private sealed class Import(TarImporter importer, TarStreamReader reader, IProgress<ImportProgress>? progress) : IAsyncDisposable
    {
        private readonly TarImportOptions _options = importer._options;
        private readonly TarTree _tree = new(importer._options.MaxEntries);
        private readonly BlobBatch _batch = new(importer._blobs, importer._options.MaxBufferedBytes);
        private ImportProgress _progress;
        private PathComponent? _top;

        public ValueTask DisposeAsync() => _batch.DisposeAsync();

        /// <summary>Reads all members; gives the root.</summary>
        public async Task<TarTree.Entry> ReadAsync(CancellationToken cancellationToken)
        {
            while (await reader.ReadNextAsync(cancellationToken).ConfigureAwait(false) is { } member)
            {
                CastorePath path = ToPath(member.Path, member.Path);
                if (path.IsRoot)
                {
                    // The usual "./". Its own existence says nothing new.
                    if (member.Kind != TarEntryKind.Directory)
                    {
                        throw new ImportException(ImportError.InvalidPath, member.Path, "it has no name");
                    }

                    continue;
                }

                CheckTop(path, member);
                await AddAsync(path, member, cancellationToken).ConfigureAwait(false);
                if ((_progress.Files + _progress.Directories + _progress.Symlinks) % EntriesPerReport == 0)
                {
                    progress?.Report(_progress);
                }
            }

            if (_options.TopLevel == TarTopLevel.Whole)
            {
                return _tree.Root;
            }

            return _top is { } top && _tree.Root.Children![top] is { Children: not null } root
                ? root
                : throw new ImportException(
                    ImportError.UnexpectedTopLevel, _top?.Memory ?? default, "there is no directory at the top of the archive");
        }

        public ValueTask CompleteBlobsAsync(CancellationToken cancellationToken) => _batch.CompleteAsync(cancellationToken);

        /// <summary>Stores the directories, leaves first, without recursion: archives can be nested as deeply as they like.</summary>
        public async Task<Node> StoreDirectoriesAsync(TarTree.Entry root, CancellationToken cancellationToken)
        {
            DirectoryUpload upload = new(importer._directories, _options.SizeRule);
            await using (upload.ConfigureAwait(false))
            {
                Stack<OpenDirectory> open = new();
                open.Push(new OpenDirectory(default, root));
                while (true)
                {
                    OpenDirectory current = open.Peek();
                    if (current.TryMoveNext(out PathComponent name, out TarTree.Entry? entry))
                    {
                        if (entry.Children is not null)
                        {
                            open.Push(new OpenDirectory(name, entry));
                        }
                        else
                        {
                            current.Add(name, entry.Content is { } file
                                ? new Node.File(file.Digest, file.Size, entry.Executable)
                                : new Node.Symlink(entry.Target));
                        }

                        continue;
                    }

                    open.Pop();
                    Node.Directory node = await upload.PutAsync(current.Entries, current.Name.Memory, cancellationToken)
                        .ConfigureAwait(false);
                    if (!open.TryPeek(out OpenDirectory? parent))
                    {
                        await upload.CompleteAsync(node, cancellationToken).ConfigureAwait(false);
                        progress?.Report(_progress);
                        return node;
                    }

                    parent.Add(current.Name, node);
                }
            }
        }

        private async ValueTask AddAsync(CastorePath path, TarMember member, CancellationToken cancellationToken)
        {
            switch (member.Kind)
            {
                case TarEntryKind.Directory:
                    _tree.AddDirectory(path, member.Path);
                    _progress = _progress with { Directories = _progress.Directories + 1 };
                    break;
                case TarEntryKind.Symlink:
                    if (!SymlinkTarget.TryCreate(member.LinkTarget, out SymlinkTarget target))
                    {
                        string reason = SymlinkTarget.Describe(SymlinkTarget.Validate(member.LinkTarget));
                        throw new ImportException(
                            ImportError.InvalidSymlinkTarget, member.Path, $"the target of the symlink is not valid: {reason}");
                    }

                    _tree.Add(path, member.Path, new TarTree.Entry(target));
                    _progress = _progress with { Symlinks = _progress.Symlinks + 1 };
                    break;
                case TarEntryKind.HardLink:
                    if (!_tree.TryGetFile(ToPath(member.LinkTarget, member.Path), out TarTree.Entry? file))
                    {
                        throw new ImportException(
                            ImportError.UnsupportedFileType,
                            member.Path,
                            $"it is a hard link to '{ByteText.Show(member.LinkTarget)}', and no such file comes before it in the archive");
                    }

                    _tree.Add(path, member.Path, new TarTree.Entry(file.Content!, file.Executable));
                    _progress = _progress with { Files = _progress.Files + 1 };
                    break;
                case TarEntryKind.File:
                    FileContent content = await StoreAsync(member, cancellationToken).ConfigureAwait(false);
                    _tree.Add(path, member.Path, new TarTree.Entry(content, member.Executable));
                    _progress = _progress with { Files = _progress.Files + 1 };
                    break;
                default:
                    throw new ImportException(ImportError.UnsupportedFileType, member.Path, Describe(member.Type));
            }
        }

        private async ValueTask<FileContent> StoreAsync(TarMember member, CancellationToken cancellationToken)
        {
            if (member.Size > _options.MaxContentBytes - _progress.Bytes)
            {
                throw new ImportException(
                    ImportError.LimitExceeded, member.Path, $"the contents of the archive have more than {_options.MaxContentBytes} bytes");
            }

            FileContent content = new((ulong)member.Size);
            if (member.Size <= _batch.MaxFileLength)
            {
                byte[] buffer = ArrayPool<byte>.Shared.Rent((int)member.Size);
                try
                {
                    int length = await FillAsync(buffer.AsMemory(0, (int)member.Size), member, cancellationToken).ConfigureAwait(false);
                    await _batch.AddAsync(buffer, length, content, cancellationToken).ConfigureAwait(false);
                }
                catch
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                    throw;
                }
            }
            else
            {
                content.Digest = await StoreLargeAsync(member, cancellationToken).ConfigureAwait(false);
            }

            return content;
        }

        private async ValueTask<B3Digest> StoreLargeAsync(TarMember member, CancellationToken cancellationToken)
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyLength);
            BlobWriter writer = await importer._blobs.OpenWriteAsync(cancellationToken).ConfigureAwait(false);
            await using (writer.ConfigureAwait(false))
            {
                try
                {
                    for (long left = member.Size; left > 0;)
                    {
                        int length = (int)Math.Min(left, CopyLength);
                        await FillAsync(buffer.AsMemory(0, length), member, cancellationToken).ConfigureAwait(false);
                        await writer.WriteAsync(buffer.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
                        left -= length;
                        progress?.Report(_progress);
                    }
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }

                return await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        /// <summary>Reads exactly as many bytes.</summary>
        private async ValueTask<int> FillAsync(Memory<byte> destination, TarMember member, CancellationToken cancellationToken)
        {
            for (int filled = 0; filled < destination.Length;)
            {
                int read = await reader.ReadContentAsync(destination[filled..], cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    throw new ImportException(
                        ImportError.UnexpectedSize, member.Path, $"it has fewer than the declared {member.Size} bytes");
                }

                filled += read;
            }

            _progress = _progress with { Bytes = _progress.Bytes + destination.Length };
            return destination.Length;
        }

        private void CheckTop(CastorePath path, TarMember member)
        {
            if (_options.TopLevel == TarTopLevel.SingleDirectory)
            {
                PathComponent top = path.Components.First();
                _top ??= top;
                if (_top != top)
                {
                    throw new ImportException(
                        ImportError.UnexpectedTopLevel,
                        member.Path,
                        $"the archive should hold a single directory, and holds '{_top}' as well");
                }
            }
        }

        private static CastorePath ToPath(byte[] bytes, byte[] memberPath)
        {
            try
            {
                return CastorePath.FromHostPath(bytes, resolveParents: true);
            }
            catch (FormatException e)
            {
                throw new ImportException(ImportError.InvalidPath, memberPath, e.Message.TrimEnd('.'), e);
            }
        }

        private static string Describe(char type) => type switch
        {
            '3' => "it is a character device, which a tree cannot hold",
            '4' => "it is a block device, which a tree cannot hold",
            '6' => "it is a FIFO, which a tree cannot hold",
            _ => $"its type, 0x{(int)type:x2}, is not supported",
        };
    }

    /// <summary>A directory whose entries are being gathered.</summary>
    private sealed class OpenDirectory(PathComponent name, TarTree.Entry directory)
    {
        private readonly DirectoryEntry[] _entries = new DirectoryEntry[directory.Children!.Count];
        private Dictionary<PathComponent, TarTree.Entry>.Enumerator _children = directory.Children!.GetEnumerator();
        private int _count;

        public PathComponent Name { get; } = name;

        public DirectoryEntry[] Entries => _entries;

        public bool TryMoveNext(out PathComponent name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out TarTree.Entry? entry)
        {
            bool any = _children.MoveNext();
            (name, entry) = any ? _children.Current : default;
            return any;
        }

        public void Add(PathComponent name, Node node) => _entries[_count++] = new DirectoryEntry(name, node);
    }
}
