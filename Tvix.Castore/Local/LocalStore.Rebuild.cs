using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Tvix.Castore.Local;

public sealed partial class LocalStore
{
    private const string OldIndexName = PackIndex.FileName + ".old";

    /// <summary>
    /// Moves the index of a store aside, whatever state it is in, and makes a new one from the pack files. Reads everything. Damaged records are left out, so that
    /// what they held can be stored again; what lies behind them is found.
    /// </summary>
    /// <remarks>
    /// No process may have the store open. That nobody writes is checked; a process that only reads would go on with the old index. When this is interrupted, the
    /// next to open the store goes on with it. A store without an index is rebuilt when it is opened, without this.
    /// </remarks>
    /// <param name="path">The folder of the store.</param>
    /// <param name="logger">Receives which packs are damaged where.</param>
    /// <exception cref="StorageException">The folder holds no store, a writer is using it, or it cannot be used.</exception>
    public static async Task<LocalIndexRebuild> RebuildIndexAsync(string path, ILogger<LocalStore>? logger = null)
    {
        LocalStore store = new(new LocalStoreOptions { Path = path }, logger);
        await using (store.ConfigureAwait(false))
        {
            return await Task.Run(store.RebuildIndex).ConfigureAwait(false);
        }
    }

    private LocalIndexRebuild RebuildIndex()
    {
        string packs = System.IO.Path.Combine(Path, PackFiles.FolderName);
        if (!Directory.Exists(packs))
        {
            throw new StorageException($"The folder '{Path}' holds no store.");
        }

        string? old;
        try
        {
            using (PackWriter.LockAll(packs))
            {
                old = MoveIndexAside();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"Moving the index of the store at '{Path}' aside failed: {e.Message}", e);
        }

        State state = Opened;
        return new LocalIndexRebuild(state.IndexedPacks, state.IndexedRecords, state.SkippedBytes, old);
    }

    /// <summary>The log of the old index must not meet the new one: it goes with the old, after it, since without an index a log is ignored.</summary>
    private string? MoveIndexAside()
    {
        string index = System.IO.Path.Combine(Path, PackIndex.FileName);
        string old = System.IO.Path.Combine(Path, OldIndexName);
        bool exists = File.Exists(index);
        foreach (string suffix in (string[])["", "-wal", "-shm"])
        {
            if (exists)
            {
                File.Delete(old + suffix);
            }

            if (File.Exists(index + suffix))
            {
                File.Move(index + suffix, old + suffix, overwrite: true);
            }
        }

        FileSystemSync.FlushFolder(Path);
        return exists ? old : null;
    }
}
