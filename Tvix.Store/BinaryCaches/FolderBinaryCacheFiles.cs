using System.Runtime.CompilerServices;
using Tvix.Castore;
using Tvix.Castore.Local;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.BinaryCaches;

/// <summary>The files of a binary cache in a folder, as <c>nix copy --to file://</c> makes it and any web server can serve it.</summary>
public sealed class FolderBinaryCacheFiles : IBinaryCacheFiles
{
    private const string UnfinishedSuffix = ".tmp";

    private readonly string _folder;

    /// <summary>Makes it.</summary>
    /// <param name="folder">The folder; made when something is written and it does not exist.</param>
    public FolderBinaryCacheFiles(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        _folder = Path.GetFullPath(folder);
    }

    /// <inheritdoc/>
    public string Location => _folder;

    /// <inheritdoc/>
    /// <remarks>A query in a narinfo's URL means nothing here.</remarks>
    public ValueTask<Stream?> OpenAsync(string path, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int query = path.IndexOf('?', StringComparison.Ordinal);
        string file = Resolve(query < 0 ? path : path[..query]);
        try
        {
            return new ValueTask<Stream?>(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1, useAsync: false));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return new ValueTask<Stream?>((Stream?)null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"'{file}' cannot be read: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public ValueTask<bool> HasAsync(string path, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<bool>(File.Exists(Resolve(path)));
    }

    /// <inheritdoc/>
    public async ValueTask PutAsync(string path, string contentType, BinaryCacheContents contents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        string file = Resolve(path);
        string unfinished = $"{file}.{Guid.NewGuid():N}{UnfinishedSuffix}";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            try
            {
                FileStream stream = new(unfinished, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
                await using (stream.ConfigureAwait(false))
                {
                    await contents.WriteAsync(stream, cancellationToken).ConfigureAwait(false);
                    stream.Flush(flushToDisk: true);
                }

                File.Move(unfinished, file, overwrite: true);
                FileSystemSync.FlushFolder(Path.GetDirectoryName(file)!);
            }
            catch
            {
                File.Delete(unfinished);
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"'{file}' cannot be written: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StorePathDigest> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.CompletedTask.ConfigureAwait(false); // there is nothing to wait for
        using IEnumerator<string> files = EnumerateNarInfos().GetEnumerator();
        while (MoveNext(files))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (BinaryCacheFileName.TryParseNarInfo(Path.GetFileName(files.Current), out StorePathDigest digest))
            {
                yield return digest;
            }
        }
    }

    private IEnumerable<string> EnumerateNarInfos()
    {
        if (!Directory.Exists(_folder))
        {
            yield break;
        }

        foreach (string file in Directory.EnumerateFiles(_folder, "*.narinfo"))
        {
            yield return file;
        }
    }

    private bool MoveNext(IEnumerator<string> files)
    {
        try
        {
            return files.MoveNext();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"'{_folder}' cannot be listed: {e.Message}", e);
        }
    }

    /// <exception cref="StorageException">The path leads out of the folder.</exception>
    private string Resolve(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return path.Contains('\0') || path.Contains("://", StringComparison.Ordinal) || path[0] == '/' || path.Split('/').Any(part => part is "" or "." or "..")
            ? throw new StorageException($"The cache in '{_folder}' says that a file is at '{path}', which is not below it.")
            : Path.Combine(_folder, path);
    }
}
