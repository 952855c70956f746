using Tvix.Castore;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nix;

namespace Tvix.Store.Http;

/// <summary>Remembers which NARs were uploaded, for when their narinfos come: in memory, and in a folder if there is one. Safe for concurrent use, also by several processes.</summary>
internal sealed class UploadJournal(NixBinaryCacheOptions options)
{
    /// <summary>How long a file of the folder may be; the target of a symlink is the only part of one that has no fixed length.</summary>
    private const int MaxFileLength = 8192;

    private const int AddsBetweenSweeps = 500;
    private const string UnfinishedSuffix = ".new";

    private readonly LruCache<Sha256Digest, (Upload Upload, DateTimeOffset Time)> _recent = new(options.MaxUploads);
    private readonly string? _folder = options.UploadFolder;
    private readonly int _maxUploads = options.MaxUploads;
    private readonly TimeSpan _lifetime = options.UploadLifetime;
    private readonly TimeProvider _time = options.TimeProvider;
    private int _adds;

    /// <summary>Finds an upload by the SHA-256 of its file, or of its NAR; <see langword="null"/> when there was none, or it is forgotten.</summary>
    /// <exception cref="StorageException">The folder cannot be read.</exception>
    public async ValueTask<Upload?> FindAsync(Sha256Digest hash, CancellationToken cancellationToken)
    {
        if (_recent.TryGet(hash, out (Upload Upload, DateTimeOffset Time) recent))
        {
            return IsExpired(recent.Time) ? null : recent.Upload;
        }

        if (_folder is null)
        {
            return null;
        }

        try
        {
            FileInfo file = new(PathOf(_folder, hash));
            if (!file.Exists || file.Length > MaxFileLength || IsExpired(file.LastWriteTimeUtc))
            {
                return null;
            }

            Upload? upload = Upload.Parse(await File.ReadAllBytesAsync(file.FullName, cancellationToken).ConfigureAwait(false));
            if (upload is null || upload.FileHash != hash)
            {
                return null; // of another version, or damaged: the client uploads the NAR again
            }

            _recent.Set(hash, (upload, file.LastWriteTimeUtc));
            return upload;
        }
        catch (FileNotFoundException)
        {
            return null; // another process has just forgotten it
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"What was uploaded could not be read from '{_folder}': {e.Message}", e);
        }
    }

    /// <summary>Remembers an upload, under the SHA-256 of the file and that of the NAR. When this returns, it outlives the process, if there is a folder.</summary>
    /// <exception cref="StorageException">The folder cannot be written to.</exception>
    public void Add(Upload upload)
    {
        // The NAR first: whoever finds the file finds the NAR.
        AddCore(upload.OfNar);
        if (upload.Compression != NarCompression.None)
        {
            AddCore(upload);
        }
    }

    private void AddCore(Upload upload)
    {
        _recent.Set(upload.FileHash, (upload, _time.GetUtcNow()));
        if (_folder is null)
        {
            return;
        }

        try
        {
            Directory.CreateDirectory(_folder);
            if (Interlocked.Increment(ref _adds) % AddsBetweenSweeps == 1)
            {
                Sweep(_folder);
            }

            string path = PathOf(_folder, upload.FileHash);
            string unfinished = $"{path}.{Guid.NewGuid():N}{UnfinishedSuffix}";
            using (FileStream file = new(unfinished, FileMode.CreateNew))
            {
                file.Write(upload.ToBytes());
                file.Flush(flushToDisk: true);
            }

            File.SetLastWriteTimeUtc(unfinished, _time.GetUtcNow().UtcDateTime);
            File.Move(unfinished, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"What was uploaded could not be written to '{_folder}': {e.Message}", e);
        }
    }

    /// <summary>Deletes what is too old, and the oldest of what is too much. What other processes delete meanwhile does not matter.</summary>
    private void Sweep(string folder)
    {
        FileInfo[] files = [.. new DirectoryInfo(folder).EnumerateFiles().OrderByDescending(file => file.LastWriteTimeUtc)];
        for (int i = 0; i < files.Length; i++)
        {
            bool isUnfinished = files[i].Name.EndsWith(UnfinishedSuffix, StringComparison.Ordinal);
            bool isOurs = isUnfinished || Sha256Digest.TryParseNixBase32(files[i].Name, out _);
            if (isOurs && (i >= _maxUploads || IsExpired(files[i].LastWriteTimeUtc)))
            {
                files[i].Delete();
            }
        }
    }

    private bool IsExpired(DateTimeOffset time) => time + _lifetime <= _time.GetUtcNow();

    /// <summary>The name has no other characters than those of nixbase32, so it is in the folder.</summary>
    private static string PathOf(string folder, Sha256Digest hash) => Path.Combine(folder, hash.ToNixBase32String());
}
