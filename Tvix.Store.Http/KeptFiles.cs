using System.Security.Cryptography;
using System.Text;
using Tvix.Castore;
using Tvix.Store.Nix;

namespace Tvix.Store.Http;

/// <summary>
/// A folder with files that are kept as they came: build logs, realisations and debug information. Safe for concurrent use, also by several processes, of which each
/// counts for itself, from time to time anew.
/// </summary>
/// <remarks>Each file has the hash of its name for a name, so that it is in the folder whatever it is called. It appears at once and complete, and outlives a crash.</remarks>
internal sealed class KeptFiles(string folder, NixBinaryCacheOptions options)
{
    private const int AddsBetweenCounts = 1000;
    private const int PieceLength = 64 << 10;
    private const string UnfinishedSuffix = ".new";
    private static readonly TimeSpan s_unfinishedLifetime = TimeSpan.FromHours(1);

    private readonly SemaphoreSlim _oneAtATime = new(1, 1); // between looking what is there and putting something there
    private readonly long _maxLength = options.MaxKeptFileSize;
    private readonly long _maxBytes = options.MaxKeptBytes;
    private readonly int _maxFiles = options.MaxKeptFiles;
    private readonly TimeProvider _time = options.TimeProvider;
    private int _adds;
    private int _files;
    private long _bytes;

    /// <summary>Opens a file behind its head; <see langword="null"/> when there is none.</summary>
    /// <returns>What is known of it, and its contents, which the caller disposes.</returns>
    /// <exception cref="StorageException">The folder cannot be read, or what is there is damaged.</exception>
    public async ValueTask<(KeptFile File, Stream Contents)?> OpenAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            FileStream stream = new(PathOf(name), new FileStreamOptions { Options = FileOptions.Asynchronous, Share = FileShare.Read | FileShare.Delete });
            try
            {
                byte[] start = new byte[KeptFile.MaxHeadLength];
                int count = await stream.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
                KeptFile file = KeptFile.Parse(start.AsSpan(0, count), out int length) is { } found && found.Name == name
                    ? found
                    : throw new StorageException($"'{stream.Name}' is no file that was kept for '{name}'.");
                stream.Position = length;
                return (file, stream);
            }
            catch
            {
                await stream.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"What was kept could not be read from '{folder}': {e.Message}", e);
        }
    }

    /// <summary>Keeps a file.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="contentType">What it is.</param>
    /// <param name="contentEncoding">How it is encoded.</param>
    /// <param name="contents">The contents, which are read to their end.</param>
    /// <param name="mayReplace">Whether other contents that are there may be replaced, by what is there and what would be.</param>
    /// <param name="cancellationToken">Ends it, and nothing is kept.</param>
    /// <exception cref="StreamTooLongException">It is longer than a file may be.</exception>
    /// <exception cref="StorageException">The folder cannot be written to.</exception>
    public async ValueTask<KeptFileOutcome> AddAsync(
        string name, string contentType, string? contentEncoding, Stream contents, Func<Stream, Stream, ValueTask<bool>> mayReplace, CancellationToken cancellationToken)
    {
        Guarded(() => Directory.CreateDirectory(folder));
        CountFromTimeToTime();
        if (Volatile.Read(ref _files) >= _maxFiles || Volatile.Read(ref _bytes) >= _maxBytes)
        {
            return KeptFileOutcome.Full;
        }

        string path = PathOf(name);
        string unfinished = $"{path}.{Guid.NewGuid():N}{UnfinishedSuffix}";
        try
        {
            FileStream stream = Guarded(() => new FileStream(
                unfinished, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.Asynchronous, Share = FileShare.Read | FileShare.Delete }));
            await using (stream.ConfigureAwait(false))
            {
                (KeptFile file, int head) = await WriteAsync(stream, new KeptFile(name, contentType, contentEncoding, default), contents, cancellationToken).ConfigureAwait(false);
                await _oneAtATime.WaitAsync(cancellationToken).ConfigureAwait(false);
                try
                {
                    return await PutAsync(path, unfinished, file, stream, head, mayReplace, cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    _oneAtATime.Release();
                }
            }
        }
        finally
        {
            Guarded(() =>
            {
                File.Delete(unfinished); // what became a file is not there any more
                return true;
            });
        }
    }

    private async ValueTask<(KeptFile File, int Head)> WriteAsync(FileStream stream, KeptFile unhashed, Stream contents, CancellationToken cancellationToken)
    {
        MeasuredStream measured = new(contents, _maxLength, hash: true);
        await using (measured.ConfigureAwait(false))
        {
            byte[] head = unhashed.ToBytes();
            byte[] piece = new byte[PieceLength];
            await GuardedAsync(() => stream.WriteAsync(head, cancellationToken)).ConfigureAwait(false);
            for (int count; (count = await measured.ReadAsync(piece, cancellationToken).ConfigureAwait(false)) > 0;)
            {
                await GuardedAsync(() => stream.WriteAsync(piece.AsMemory(0, count), cancellationToken)).ConfigureAwait(false);
            }

            KeptFile file = unhashed with { Hash = measured.GetHash() };
            stream.Position = 0;
            await GuardedAsync(() => stream.WriteAsync(file.ToBytes(), cancellationToken)).ConfigureAwait(false); // as long as without
            Guarded(() =>
            {
                stream.Flush(flushToDisk: true);
                return true;
            });
            return (file, head.Length);
        }
    }

    private async ValueTask<KeptFileOutcome> PutAsync(
        string path, string unfinished, KeptFile file, FileStream stream, int head, Func<Stream, Stream, ValueTask<bool>> mayReplace, CancellationToken cancellationToken)
    {
        long replaced = -1;
        if (await OpenAsync(file.Name, cancellationToken).ConfigureAwait(false) is { } known)
        {
            await using (known.Contents.ConfigureAwait(false))
            {
                if (known.File.Hash == file.Hash && known.File.ContentEncoding == file.ContentEncoding)
                {
                    return KeptFileOutcome.Kept;
                }

                stream.Position = head;
                if (known.File.ContentEncoding is not null || file.ContentEncoding is not null || !await mayReplace(known.Contents, stream).ConfigureAwait(false))
                {
                    return KeptFileOutcome.Conflict;
                }

                replaced = known.Contents.Length;
            }
        }

        long growth = stream.Length - Math.Max(replaced, 0);
        if (Volatile.Read(ref _bytes) + growth > _maxBytes || (replaced < 0 && Volatile.Read(ref _files) >= _maxFiles))
        {
            return KeptFileOutcome.Full;
        }

        Guarded(() =>
        {
            File.Move(unfinished, path, overwrite: true);
            Castore.Local.FileSystemSync.FlushFolder(folder);
            return true;
        });
        Interlocked.Add(ref _bytes, growth);
        Interlocked.Add(ref _files, replaced < 0 ? 1 : 0);
        return KeptFileOutcome.Kept;
    }

    /// <summary>Counts what is there, at the start and now and then, since other processes may add something; and deletes what was never finished.</summary>
    private void CountFromTimeToTime()
    {
        if (Interlocked.Increment(ref _adds) % AddsBetweenCounts != 1)
        {
            return;
        }

        (int files, long bytes) = Guarded(() =>
        {
            (int files, long bytes) = (0, 0L);
            foreach (FileInfo file in new DirectoryInfo(folder).EnumerateFiles())
            {
                if (!file.Name.EndsWith(UnfinishedSuffix, StringComparison.Ordinal))
                {
                    files++;
                    bytes += file.Length;
                }
                else if (file.LastWriteTimeUtc + s_unfinishedLifetime < _time.GetUtcNow().UtcDateTime)
                {
                    file.Delete();
                }
            }

            return (files, bytes);
        });
        Volatile.Write(ref _files, files);
        Volatile.Write(ref _bytes, bytes);
    }

    private string PathOf(string name) => Path.Combine(folder, new Sha256Digest(SHA256.HashData(Encoding.UTF8.GetBytes(name))).ToNixBase32String());

    private T Guarded<T>(Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"What is to be kept could not be written to '{folder}': {e.Message}", e);
        }
    }

    private async ValueTask GuardedAsync(Func<ValueTask> write)
    {
        try
        {
            await write().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"What is to be kept could not be written to '{folder}': {e.Message}", e);
        }
    }
}
