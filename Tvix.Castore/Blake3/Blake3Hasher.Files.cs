using System.Buffers;
using Microsoft.Win32.SafeHandles;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blake3;

/// <content>Files.</content>
public sealed partial class Blake3Hasher
{
    /// <summary>What is read of a file at a time; it fits into the second-level cache, so hashing it does not wait for memory.</summary>
    private const int FileBlockSize = 512 * ChunkSize;

    /// <summary>The blocks whose chaining values are gathered before they are joined (256 MiB of file, 16 KiB of values).</summary>
    private const int MaxFileBlocks = 512;

    /// <summary>The digest of a file, read and hashed on several cores when it is large.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxParallelism">The most cores to use; 0 for all. Each holds 512 KiB of the file.</param>
    /// <param name="cancellationToken">Stops at the next block.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxParallelism"/> is negative.</exception>
    /// <exception cref="IOException">The file is not there, cannot be read, or became shorter meanwhile.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a directory.</exception>
    /// <exception cref="NotSupportedException">It has no length, as a pipe.</exception>
    public static async ValueTask<B3Digest> HashFileAsync(
        string path, int maxParallelism = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentOutOfRangeException.ThrowIfNegative(maxParallelism);
        cancellationToken.ThrowIfCancellationRequested();
        using SafeFileHandle handle = File.OpenHandle(path);
        return await HashFileAsync(handle, maxParallelism, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The digest of an open file from its beginning, read and hashed on several cores when it is large.</summary>
    /// <remarks>Bytes that are appended meanwhile do not count.</remarks>
    /// <param name="handle">The file; its position is neither used nor changed, and it stays open.</param>
    /// <param name="maxParallelism">The most cores to use; 0 for all. Each holds 512 KiB of the file.</param>
    /// <param name="cancellationToken">Stops at the next block.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxParallelism"/> is negative.</exception>
    /// <exception cref="IOException">The file cannot be read, or became shorter meanwhile.</exception>
    /// <exception cref="NotSupportedException">It has no length, as a pipe.</exception>
    public static async ValueTask<B3Digest> HashFileAsync(
        SafeFileHandle handle, int maxParallelism = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(handle);
        int workers = Workers(maxParallelism);
        cancellationToken.ThrowIfCancellationRequested();
        long length = RandomAccess.GetLength(handle);
        if (length <= FileBlockSize)
        {
            return await Task.Run(() => HashFile(handle, length, cancellationToken), cancellationToken).ConfigureAwait(false);
        }

        // Joining blocks from the left in batches of a power of two gives the same tree as joining all of them at once.
        long blocks = ((length - 1) / FileBlockSize) + 1;
        byte[] batches = new byte[(((blocks - 1) / MaxFileBlocks) + 1) * ValueSize];
        byte[] values = ArrayPool<byte>.Shared.Rent((int)Math.Min(blocks, MaxFileBlocks) * ValueSize);
        try
        {
            for (long first = 0; first < blocks; first += MaxFileBlocks)
            {
                FileBatch batch = new(handle, length, first, (int)Math.Min(blocks - first, MaxFileBlocks), values, cancellationToken);
                Task[] tasks = new Task[Math.Min(workers, batch.Count)];
                for (int i = 0; i < tasks.Length; i++)
                {
                    tasks[i] = Task.Run(batch.Run, CancellationToken.None);
                }

                await Task.WhenAll(tasks).ConfigureAwait(false);
                if (batches.Length == ValueSize)
                {
                    return Blake3Tree.RootDigest(values.AsSpan(0, batch.Count * ValueSize));
                }

                Blake3Tree.Reduce(values.AsSpan(0, batch.Count * ValueSize), batches.AsSpan((int)(first / MaxFileBlocks) * ValueSize));
            }

            return Blake3Tree.RootDigest(batches);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(values);
        }
    }

    /// <summary>One core. Files without a true length (as in /proc) say 0, so the end is where a read gives nothing.</summary>
    internal static B3Digest HashFile(SafeFileHandle handle, long length, CancellationToken cancellationToken)
    {
        // One byte more than the file is thought to have, so that a small one ends within the first round.
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(length + 1, 4096, FileBlockSize));
        try
        {
            Blake3Hasher? hasher = null;
            for (long offset = 0; ;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int wanted = length > 0 ? (int)Math.Min(buffer.Length, length - offset) : buffer.Length;
                int read = ReadFully(handle, buffer.AsSpan(0, wanted), offset);
                offset += read;
                if (length > 0 ? offset == length : read < wanted)
                {
                    if (hasher is null)
                    {
                        return HashData(buffer.AsSpan(0, read));
                    }

                    hasher.AppendData(buffer.AsSpan(0, read));
                    return hasher.GetCurrentDigest();
                }

                if (read < wanted)
                {
                    throw BecameShorter();
                }

                hasher ??= new Blake3Hasher();
                hasher.AppendData(buffer.AsSpan(0, read));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int ReadFully(SafeFileHandle handle, Span<byte> buffer, long offset)
    {
        int total = 0;
        while (total < buffer.Length)
        {
            int read = RandomAccess.Read(handle, buffer[total..], offset + total);
            if (read == 0)
            {
                break;
            }

            total += read;
        }

        return total;
    }

    private static EndOfStreamException BecameShorter() => new("The file became shorter while it was hashed.");

    /// <summary>Consecutive blocks of a file, taken by the workers one after another.</summary>
    private sealed class FileBatch(
        SafeFileHandle handle, long length, long firstBlock, int count, byte[] values, CancellationToken cancellationToken)
    {
        private int _next = -1;
        private volatile bool _failed;

        public int Count => count;

        public void Run()
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(FileBlockSize);
            try
            {
                for (int i; !_failed && (i = Interlocked.Increment(ref _next)) < count;)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    long offset = (firstBlock + i) * FileBlockSize;
                    Span<byte> block = buffer.AsSpan(0, (int)Math.Min(FileBlockSize, length - offset));
                    if (ReadFully(handle, block, offset) < block.Length)
                    {
                        throw BecameShorter();
                    }

                    Blake3Tree.SubtreeChainingValue(block, (ulong)(offset / ChunkSize), values.AsSpan(i * ValueSize, ValueSize));
                }
            }
            catch
            {
                _failed = true; // the other workers need not go on
                throw;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
