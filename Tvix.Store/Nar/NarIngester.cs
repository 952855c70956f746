using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.Nar;

/// <summary>Takes a NAR apart and stores its tree: files as blobs, directories as directories. Spec: nix-formats §4.10.</summary>
/// <remarks>
/// <para>Directories are stored at the end, once the whole NAR is known to be well-formed and what was expected; blobs as they come. So
/// after a failure blobs may be left that nothing refers to, and no directory.</para>
/// <para>Memory grows with the directories of the tree, which are held until the end, and is otherwise bounded by the options. The NAR is
/// hashed on another thread. Safe for concurrent use.</para>
/// </remarks>
public sealed class NarIngester
{
    private readonly IBlobService _blobs;
    private readonly IDirectoryService _directories;

    /// <summary>Makes an ingester.</summary>
    /// <param name="blobs">Where blobs go.</param>
    /// <param name="directories">Where directories go.</param>
    public NarIngester(IBlobService blobs, IDirectoryService directories)
    {
        ArgumentNullException.ThrowIfNull(blobs);
        ArgumentNullException.ThrowIfNull(directories);
        _blobs = blobs;
        _directories = directories;
    }

    /// <summary>Takes in a NAR from a stream, which stays open.</summary>
    /// <param name="nar">The NAR.</param>
    /// <param name="options">What is known about it; <see langword="null"/> for the defaults.</param>
    /// <param name="cancellationToken">Ends the ingestion.</param>
    /// <exception cref="NarFormatException">The input is not a NAR.</exception>
    /// <exception cref="NarHashMismatchException">
    /// It is not the one that was expected. Too long a NAR is noticed as soon as it is clear that it will be.
    /// </exception>
    /// <exception cref="StorageException">A backend could not store something.</exception>
    public Task<NarIngestResult> IngestAsync(Stream nar, NarIngestOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(nar);
        return IngestAsync((reader, tap) => new NarReader(nar, reader, tap), options, cancellationToken);
    }

    /// <summary>Takes in a NAR from a pipe, which is not completed.</summary>
    /// <inheritdoc cref="IngestAsync(Stream, NarIngestOptions?, CancellationToken)"/>
    public Task<NarIngestResult> IngestAsync(
        PipeReader nar, NarIngestOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(nar);
        return IngestAsync((reader, tap) => new NarReader(nar, reader, tap), options, cancellationToken);
    }

    private async Task<NarIngestResult> IngestAsync(
        Func<NarReaderOptions, PipeWriter, NarReader> open, NarIngestOptions? options, CancellationToken cancellationToken)
    {
        options ??= new NarIngestOptions();
        options.Validate();
        using ContentAddressCheck? address = ContentAddressCheck.Create(options.ExpectedContentAddress, options.SelfReference);
        NarHasher hasher = new(address is { IsOfNar: true } ? address.Append : null);
        await using (hasher.ConfigureAwait(false))
        {
            NarReaderOptions reading = new() { Embedded = options.Embedded, MaxDepth = options.MaxDepth, LeaveOpen = true };
            NarReader reader = open(reading, hasher);
            await using (reader.ConfigureAwait(false))
            {
                Action<ReadOnlySpan<byte>>? rootContents = address is { IsOfNar: false } ? address.Append : null;
                Run run = new(_blobs, _directories, reader, options, rootContents, cancellationToken);
                await using (run.ConfigureAwait(false))
                {
                    Node root = await run.ReadAsync().ConfigureAwait(false);
                    NarDigest digest = await hasher.FinishAsync(cancellationToken).ConfigureAwait(false);
                    CheckDigest(digest, options);
                    address?.Check(root);
                    await run.CompleteAsync(root).ConfigureAwait(false);
                    return new NarIngestResult(root, digest.Size, digest.Sha256);
                }
            }
        }
    }

    private static void CheckDigest(NarDigest digest, NarIngestOptions options)
    {
        if (options.ExpectedSize is { } size && size != digest.Size)
        {
            throw new NarHashMismatchException(NarMismatch.Size, $"The NAR has {digest.Size} bytes instead of {size}.");
        }

        if (options.ExpectedSha256 is { } sha256 && sha256 != digest.Sha256)
        {
            throw new NarHashMismatchException(
                NarMismatch.NarHash,
                $"The NAR hashes to {digest.Sha256} instead of {sha256}.",
                sha256.ToNixHash(),
                digest.Sha256.ToNixHash());
        }
    }

    /// <summary>A directory whose entries are being gathered. The root stands alone in one that is none.</summary>
    private sealed class Frame(Frame? parent, int index)
    {
        public Frame? Parent { get; } = parent;

        /// <summary>Where it stands among the parent's entries.</summary>
        public int Index { get; } = index;

        /// <summary>The entries. A node that is not known yet is missing, until it is set.</summary>
        public List<DirectoryEntry> Entries { get; } = [];

        /// <summary>The number of files whose digest is not known yet.</summary>
        public int Pending { get; set; }

        public int Add(PathComponent name, Node? node)
        {
            Entries.Add(new DirectoryEntry(name, node!));
            return Entries.Count - 1;
        }

        public void Set(int entry, Node node)
        {
            ref DirectoryEntry slot = ref CollectionsMarshal.AsSpan(Entries)[entry];
            slot = new DirectoryEntry(slot.Name, node);
        }
    }

    /// <summary>Small files on their way to the store.</summary>
    private sealed class Batch(int bytes)
    {
        public byte[] Buffer { get; } = ArrayPool<byte>.Shared.Rent(Math.Max(bytes, 1));

        public int Used { get; set; }

        public List<ReadOnlyMemory<byte>> Contents { get; } = [];

        public List<(Frame Frame, int Entry, bool Executable)> Files { get; } = [];

        public B3Digest[] Digests { get; set; } = [];

        public Task Storing { get; set; } = Task.CompletedTask;
    }

    private sealed class Run(
        IBlobService blobs,
        IDirectoryService directories,
        NarReader reader,
        NarIngestOptions options,
        Action<ReadOnlySpan<byte>>? rootContents,
        CancellationToken cancellationToken) : IAsyncDisposable
    {
        private const int MaxBatchFiles = 4096;

        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        private readonly Queue<Batch> _storing = new();
        private readonly Queue<Frame> _closed = new(); // children before their parents
        private Batch? _batch;
        private DirectoryPutter? _putter;

        /// <summary>Reads everything, stores the blobs and hands over the directories.</summary>
        public async ValueTask<Node> ReadAsync()
        {
            Frame top = new(null, 0);
            Frame frame = top;
            while (await reader.ReadAsync(_stop.Token).ConfigureAwait(false))
            {
                CheckSize();
                switch (reader.TokenType)
                {
                    case NarTokenType.File when reader.Size <= (ulong)options.SmallFileBytes:
                        await TakeSmallAsync(frame).ConfigureAwait(false);
                        break;
                    case NarTokenType.File:
                        await TakeLargeAsync(frame).ConfigureAwait(false);
                        break;
                    case NarTokenType.Symlink:
                        frame.Add(reader.Name, new Node.Symlink(reader.Target));
                        break;
                    case NarTokenType.Directory:
                        frame = new Frame(frame, frame.Add(reader.Name, null));
                        break;
                    case NarTokenType.EndDirectory:
                        _closed.Enqueue(frame);
                        frame = frame.Parent!;
                        await PutFinishedAsync(maxInFlight: int.MaxValue).ConfigureAwait(false);
                        break;
                }
            }

            Seal();
            await PutFinishedAsync(maxInFlight: 0).ConfigureAwait(false);
            return top.Entries[0].Node;
        }

        /// <summary>Makes the directories visible.</summary>
        public async ValueTask CompleteAsync(Node root)
        {
            if (_putter is null)
            {
                return;
            }

            B3Digest digest = await _putter.CompleteAsync(cancellationToken).ConfigureAwait(false);
            if (root is not Node.Directory directory || directory.Digest != digest)
            {
                throw new StorageException($"The directory service took in a tree with another root than the NAR's: {digest}.");
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            Seal(store: false);
            while (_storing.TryDequeue(out Batch? batch))
            {
                await batch.Storing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                ArrayPool<byte>.Shared.Return(batch.Buffer);
            }

            if (_putter is not null)
            {
                await _putter.DisposeAsync().ConfigureAwait(false);
            }

            _stop.Dispose();
        }

        /// <summary>Gives up when the NAR has become, or must become, longer than expected.</summary>
        private void CheckSize()
        {
            if (options.ExpectedSize is not { } expected)
            {
                return;
            }

            ulong least = (ulong)reader.Offset;
            if (reader.TokenType == NarTokenType.File)
            {
                ulong rest = reader.Size + (ulong)NarWire.Padding(reader.Size) + NarWire.CloseLength;
                least = Math.Max(least, (ulong)reader.ContentsOffset + rest);
            }

            if (least > expected)
            {
                throw new NarHashMismatchException(NarMismatch.Size, $"The NAR has at least {least} bytes instead of {expected}.");
            }
        }

        private async ValueTask TakeSmallAsync(Frame frame)
        {
            int size = (int)reader.Size;
            if (_batch is { } full && (full.Used + size > options.BatchBytes || full.Files.Count == MaxBatchFiles))
            {
                Seal();
                await PutFinishedAsync(options.BatchesInFlight - 1).ConfigureAwait(false);
            }

            Batch batch = _batch ??= new Batch(options.BatchBytes);
            Memory<byte> contents = batch.Buffer.AsMemory(batch.Used, size);
            for (int have = 0; have < size;)
            {
                have += await reader.ReadContentsAsync(contents[have..], _stop.Token).ConfigureAwait(false);
            }

            HashContents(contents);
            batch.Used += size;
            batch.Contents.Add(contents);
            batch.Files.Add((frame, frame.Add(reader.Name, null), reader.IsExecutable));
            frame.Pending++;
        }

        private async ValueTask TakeLargeAsync(Frame frame)
        {
            BlobWriter writer = await blobs.OpenWriteAsync(_stop.Token).ConfigureAwait(false);
            await using (writer.ConfigureAwait(false))
            {
                while (await reader.ReadContentsAsync(_stop.Token).ConfigureAwait(false) is { IsEmpty: false } slice)
                {
                    HashContents(slice);
                    await writer.WriteAsync(slice, _stop.Token).ConfigureAwait(false);
                }

                B3Digest digest = await writer.CompleteAsync(_stop.Token).ConfigureAwait(false);
                frame.Add(reader.Name, new Node.File(digest, reader.Size, reader.IsExecutable));
            }
        }

        private void HashContents(ReadOnlyMemory<byte> contents)
        {
            if (reader.Depth == 0)
            {
                rootContents?.Invoke(contents.Span);
            }
        }

        /// <summary>Sends off the files gathered so far.</summary>
        private void Seal(bool store = true)
        {
            if (_batch is not { } batch)
            {
                return;
            }

            _batch = null;
            if (store)
            {
                // A store may do the work before it returns; it must not keep the reader waiting.
                batch.Digests = new B3Digest[batch.Contents.Count];
                batch.Storing = Task.Run(() => blobs.PutManyAsync(batch.Contents, batch.Digests, _stop.Token).AsTask(), _stop.Token);
            }

            _storing.Enqueue(batch);
        }

        /// <summary>Waits until no more than so many batches are in flight, and hands over the directories that are complete.</summary>
        private async ValueTask PutFinishedAsync(int maxInFlight)
        {
            while (_storing.TryPeek(out Batch? batch) && (_storing.Count > maxInFlight || batch.Storing.IsCompleted))
            {
                await batch.Storing.ConfigureAwait(false);
                _storing.Dequeue();
                for (int i = 0; i < batch.Files.Count; i++)
                {
                    (Frame frame, int entry, bool executable) = batch.Files[i];
                    frame.Set(entry, new Node.File(batch.Digests[i], (ulong)batch.Contents[i].Length, executable));
                    frame.Pending--;
                }

                ArrayPool<byte>.Shared.Return(batch.Buffer);
            }

            // Batches finish in the order of the files, so that the first of the closed directories is the first to be complete.
            while (_closed.TryPeek(out Frame? closed) && closed.Pending == 0)
            {
                _closed.Dequeue();
                CastoreDirectory directory = CastoreDirectory.FromOwnedEntries([.. closed.Entries]);
                _putter ??= directories.OpenPutter();
                await _putter.PutAsync(directory, _stop.Token).ConfigureAwait(false);
                closed.Parent!.Set(closed.Index, directory.ToNode());
            }
        }
    }
}
