using Microsoft.Win32.SafeHandles;
using Tvix.Castore;

namespace Tvix.Store.BinaryCaches;

/// <summary>A NAR on its way: written once to a file without a name of its own, and read by any number of readers while it grows.</summary>
/// <remarks>
/// The last bytes are given out when the writer says that everything is well. The file goes away with the writer and the last reader, and takes as much room on disk as the NAR.
/// </remarks>
internal sealed class NarSpool
{
    /// <summary>How many of the last bytes are held back; a NAR ends with at least as many that are the same in all.</summary>
    private const int HeldBack = 16;

    private readonly Lock _gate = new();
    private readonly TaskCompletionSource<bool> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string _folder;
    private TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SafeFileHandle? _file;
    private long _written;
    private long _length = -1;
    private bool _isWhole;
    private Exception? _failure;
    private int _users = 1; // the writer
    private bool _isUnwanted;

    public NarSpool(string? folder) => _folder = folder ?? Path.GetTempPath();

    /// <summary>Completes when it is clear whether anything will be written: with <see langword="false"/> when nothing will.</summary>
    public Task<bool> Begun => _begun.Task;

    /// <summary>Adds a reader; <see langword="null"/> when there is nothing to be read any more.</summary>
    public Stream? TryOpenRead()
    {
        lock (_gate)
        {
            if (_users == 0 || _isUnwanted)
            {
                return null;
            }

            _users++;
            return new Reader(this);
        }
    }

    /// <summary>Begins to write, if there is a reader; if not, there will be none.</summary>
    /// <param name="length">How many bytes there will be.</param>
    /// <exception cref="StorageException">The file cannot be made.</exception>
    public bool TryBegin(long length)
    {
        lock (_gate)
        {
            if (_users == 1)
            {
                _isUnwanted = true;
                return false;
            }
        }

        SafeFileHandle file = MakeFile();
        lock (_gate)
        {
            _file = file;
            _length = length;
        }

        _begun.TrySetResult(true);
        return true;
    }

    private SafeFileHandle MakeFile()
    {
        string path = Path.Combine(_folder, $"tvix-nar-{Guid.NewGuid():N}");
        try
        {
            SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Delete, FileOptions.None);
            File.Delete(path); // the handle keeps it
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"No file for a NAR can be made in '{_folder}': {e.Message}", e);
        }
    }

    /// <summary>Writes the next bytes, as far as there may be any.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        int count = (int)Math.Min(bytes.Length, _length - _written);
        if (count > 0)
        {
            RandomAccess.Write(_file!, bytes[..count], _written);
            Move(() => _written += count);
        }
    }

    /// <summary>Ends the writing, well or with a failure that readers get.</summary>
    public void End(Exception? failure)
    {
        Move(() =>
        {
            _isWhole = failure is null && _written == _length;
            _failure = _isWhole ? null : failure ?? new IOException("The NAR is shorter than it should be.");
        });
        _begun.TrySetResult(false);
        Leave();
    }

    private void Move(Action change)
    {
        TaskCompletionSource moved;
        lock (_gate)
        {
            change();
            moved = _moved;
            _moved = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        moved.SetResult();
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (--_users == 0)
            {
                _file?.Dispose();
            }
        }
    }

    private sealed class Reader(NarSpool spool) : ForwardReadStream
    {
        private long _position;
        private bool _isOpen = true;

        public override bool CanRead => _isOpen;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            ObjectDisposedException.ThrowIf(!_isOpen, this);
            while (true)
            {
                Task moved;
                long available;
                lock (spool._gate)
                {
                    if (spool._failure is { } failure)
                    {
                        throw new IOException($"The NAR cannot be had: {failure.Message}", failure);
                    }

                    if (spool._isWhole && _position == spool._length)
                    {
                        return 0;
                    }

                    available = (spool._isWhole ? spool._length : Math.Min(spool._written, spool._length - HeldBack)) - _position;
                    moved = spool._moved.Task;
                }

                if (buffer.Length == 0)
                {
                    return 0;
                }

                if (available > 0)
                {
                    int count = RandomAccess.Read(spool._file!, buffer.Span[..(int)Math.Min(buffer.Length, available)], _position);
                    _position += count;
                    return count;
                }

                await moved.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && _isOpen)
            {
                _isOpen = false;
                spool.Leave();
            }

            base.Dispose(disposing);
        }
    }
}
