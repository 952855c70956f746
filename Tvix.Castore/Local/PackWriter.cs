using Microsoft.Win32.SafeHandles;

namespace Tvix.Castore.Local;

/// <summary>Appends records to the pack file of one slot, which belongs to this process alone as long as the writer lives.</summary>
/// <remarks>Not safe for concurrent use, except for <see cref="FlushToDisk"/>.</remarks>
internal sealed class PackWriter : IDisposable
{
    private const int MaxSlots = 1024;
    private const int BufferSize = 1 << 20;
    private const int LargePayload = 64 << 10; // written from where it is, since a copy costs more than a call of the system

    // How the systems say that another has the lock: on Windows, on Linux, on macOS.
    private const int SharingViolation = unchecked((int)0x80070020);
    private const int WouldBlock = 11;
    private const int WouldBlockOnBsd = 35;

    private readonly PackFiles _files;
    private readonly SafeFileHandle _lock;
    private readonly int _slot;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferSize);
    private SafeFileHandle _file;
    private int _buffered;
    private long _written; // the length of the file without the buffer
    private readonly Lock _flushGate = new();
    private long _durable; // what is known to be on disk; guarded by the gate, as is the next
    private bool _flushFailed;

    private PackWriter(PackFiles files, SafeFileHandle slotLock, int slot, int pack, SafeFileHandle file, long length)
    {
        _files = files;
        _lock = slotLock;
        _slot = slot;
        _file = file;
        _written = length;
        _durable = length;
        Pack = pack;
    }

    /// <summary>The pack that is appended to.</summary>
    public int Pack { get; private set; }

    /// <summary>Where the next record goes.</summary>
    public long Position => _written + _buffered;

    /// <summary>Takes a free slot, and continues its pack after whatever a crash has left behind.</summary>
    /// <param name="files">The pack files.</param>
    /// <param name="index">The index; the caller holds the right to write to it.</param>
    /// <param name="flush">Whether what is recovered has to be on disk when this returns.</param>
    /// <param name="recovered">Receives the records that are in the pack, intact, but not in the index.</param>
    public static PackWriter Acquire(PackFiles files, PackIndex index, bool flush, List<IndexRow> recovered)
    {
        for (int slot = 0; slot < MaxSlots; slot++)
        {
            if (TryAcquire(files, index, slot, flush, recovered) is { } writer)
            {
                return writer;
            }
        }

        throw new StorageException($"More than {MaxSlots} writers use the store at '{files.Folder}' at the same time.", isTransient: true);
    }

    /// <summary>Takes a slot as <see cref="Acquire"/> does; <see langword="null"/> when another writer has it.</summary>
    public static PackWriter? TryAcquire(PackFiles files, PackIndex index, int slot, bool flush, List<IndexRow> recovered)
    {
        if (!TryLock(System.IO.Path.Combine(files.Folder, $"writer-{slot}.lock"), out SafeFileHandle? slotLock))
        {
            return null;
        }

        SafeFileHandle? file = null;
        try
        {
            if (index.FindPackOfSlot(slot) is not { } found)
            {
                int first = index.BeginPack(slot);
                return new PackWriter(files, slotLock, slot, first, Create(files, first), 0);
            }

            file = File.OpenHandle(files.PathOf(found.Pack), FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            long end = found.Length;
            if (end == 0)
            {
                FileSystemSync.FlushFolder(files.Folder); // whoever began the pack may not have come to that
            }

            if (RandomAccess.GetLength(file) > end)
            {
                foreach ((RecordHeader header, long offset) in files.Scan(found.Pack, end))
                {
                    if (!header.IsProvisional)
                    {
                        recovered.Add(new IndexRow(
                            header.Kind, header.Key, new RecordLocation(found.Pack, offset, header.StoredLength, header.LogicalLength), header.Time));
                    }

                    end = offset + header.TotalLength;
                }

                RandomAccess.SetLength(file, end);
                if (flush)
                {
                    // A process that was killed may not have flushed; and once in the index, a record counts as stored.
                    RandomAccess.FlushToDisk(file);
                }
            }

            // A file shorter than the index says is damage, which verification reports; what is missing must not be filled with other records.
            return new PackWriter(files, slotLock, slot, found.Pack, file, end);
        }
        catch
        {
            file?.Dispose();
            slotLock.Dispose();
            throw;
        }
    }

    /// <summary>Keeps out every writer that there was so far.</summary>
    /// <exception cref="StorageException">One of them is at work.</exception>
    public static IDisposable LockAll(string packsFolder)
    {
        LockSet locks = new();
        try
        {
            foreach (string path in Directory.EnumerateFiles(packsFolder, "writer-*.lock"))
            {
                locks.Held.Add(
                    TryLock(path, out SafeFileHandle? held) ? held : throw new StorageException($"A writer is using the store; it holds '{path}'.", isTransient: true));
            }

            return locks;
        }
        catch
        {
            locks.Dispose();
            throw;
        }
    }

    private sealed class LockSet : IDisposable
    {
        public List<SafeFileHandle> Held { get; } = [];

        public void Dispose()
        {
            foreach (SafeFileHandle held in Held)
            {
                held.Dispose();
            }
        }
    }

    private static bool TryLock(string path, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out SafeFileHandle? slotLock)
    {
        try
        {
            // Exclusive for as long as it is open; the system lets go of it when the process ends, however it ends.
            slotLock = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return true;
        }
        catch (IOException e) when (e.HResult is SharingViolation or WouldBlock or WouldBlockOnBsd)
        {
            slotLock = null;
            return false;
        }
    }

    private static SafeFileHandle Create(PackFiles files, int pack)
    {
        SafeFileHandle file = File.OpenHandle(files.PathOf(pack), FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        FileSystemSync.FlushFolder(files.Folder);
        return file;
    }

    /// <summary>Adds a record. It is in the file after the next <see cref="Flush"/>.</summary>
    /// <returns>Where the record begins.</returns>
    public long Append(in RecordHeader header, ReadOnlySpan<byte> payload)
    {
        long position = Position;
        if (_buffered + RecordHeader.Size > _buffer.Length)
        {
            Flush();
        }

        header.Write(_buffer.AsSpan(_buffered), payload);
        _buffered += RecordHeader.Size;
        if (payload.Length < LargePayload && payload.Length <= _buffer.Length - _buffered)
        {
            payload.CopyTo(_buffer.AsSpan(_buffered));
            _buffered += payload.Length;
        }
        else
        {
            Flush();
            Write(payload);
        }

        return position;
    }

    /// <summary>Hands what is buffered to the operating system.</summary>
    public void Flush()
    {
        Write(_buffer.AsSpan(0, _buffered));
        _buffered = 0;
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _files.FaultInjection?.Invoke(PackOperation.Write);
        RandomAccess.Write(_file, bytes, _written);
        _written += bytes.Length;
    }

    /// <summary>The file that holds everything appended so far, for <see cref="FlushToDisk"/>.</summary>
    public SafeFileHandle CurrentFile => _file;

    /// <summary>Waits until the disk has what was handed to the operating system. May run beside everything else.</summary>
    /// <param name="file">The <see cref="CurrentFile"/> of the time when <paramref name="length"/> was noted.</param>
    /// <param name="length">How long the file was then.</param>
    /// <exception cref="ObjectDisposedException">The file was closed meanwhile.</exception>
    public void FlushToDisk(SafeFileHandle file, long length)
    {
        lock (_flushGate)
        {
            if (_flushFailed)
            {
                // The system tells of lost pages once; a second flush succeeds, and means nothing.
                throw new IOException($"An earlier flush of '{_files.PathOf(Pack)}' failed.");
            }

            try
            {
                _files.FaultInjection?.Invoke(PackOperation.Flush);
                RandomAccess.FlushToDisk(file);
            }
            catch (IOException)
            {
                _flushFailed = true;
                throw;
            }

            if (ReferenceEquals(file, _file))
            {
                _durable = Math.Max(_durable, length);
            }
        }
    }

    /// <summary>Closes the pack and goes on with a new one. What the old one holds must have been flushed to disk before.</summary>
    public void BeginNextPack(PackIndex index)
    {
        _files.FaultInjection?.Invoke(PackOperation.BeginPack);
        int pack = index.BeginPack(_slot);
        SafeFileHandle next = Create(_files, pack);
        lock (_flushGate)
        {
            _file.Dispose();
            _file = next;
            _durable = 0;
        }

        _written = 0;
        _buffered = 0;
        Pack = pack;
    }

    public void Dispose()
    {
        lock (_flushGate)
        {
            if (_flushFailed)
            {
                try
                {
                    // The next writer must not take for stored what it reads from the system's cache and what the disk may never have got.
                    RandomAccess.SetLength(_file, _durable);
                }
                catch (IOException)
                {
                    // The disk refuses everything. There is nothing more that could be done, and the failure is told already.
                }
            }
        }

        _file.Dispose();
        _lock.Dispose();
    }
}
