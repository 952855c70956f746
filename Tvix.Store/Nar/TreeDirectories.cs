using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>
/// Gets the directories of one tree, one at a time. Some backends find only the roots of what was uploaded to them: then the whole tree is
/// fetched, once.
/// </summary>
internal sealed class TreeDirectories(IDirectoryService service, Node root)
{
    private Task<Dictionary<B3Digest, CastoreDirectory>>? _closure;

    /// <summary>Gets a directory that is known to belong to the tree.</summary>
    /// <exception cref="StorageException">It is missing.</exception>
    public async ValueTask<CastoreDirectory> GetAsync(B3Digest digest, string path, CancellationToken cancellationToken) =>
        await TryGetAsync(digest, cancellationToken).ConfigureAwait(false) ?? throw Missing(digest, path);

    /// <summary>Gets a directory that is known to belong to the tree; <see langword="null"/> when it is missing.</summary>
    public ValueTask<CastoreDirectory?> TryGetAsync(B3Digest digest, CancellationToken cancellationToken)
    {
        ValueTask<CastoreDirectory?> directory = service.GetAsync(digest, cancellationToken);
        if (root is not Node.Directory { Digest: B3Digest rootDigest } || digest == rootDigest)
        {
            return directory;
        }

        // The way of memory and caches, without a state machine.
        if (directory.IsCompletedSuccessfully && directory.Result is { } found)
        {
            return new(found);
        }

        return FindAsync(directory.IsCompletedSuccessfully ? default : directory, rootDigest, digest, cancellationToken);
    }

    public static StorageException Missing(B3Digest digest, string path, Exception? cause = null) =>
        new($"The directory {digest} at {Place(path)} is missing.", cause);

    /// <summary>A path for messages.</summary>
    public static string Place(string path) => path.Length > 0 ? $"'{path}'" : "the root";

    private async ValueTask<CastoreDirectory?> FindAsync(
        ValueTask<CastoreDirectory?> direct, B3Digest rootDigest, B3Digest digest, CancellationToken cancellationToken)
    {
        if (await direct.ConfigureAwait(false) is { } found)
        {
            return found;
        }

        Task<Dictionary<B3Digest, CastoreDirectory>> closure;
        lock (this)
        {
            closure = _closure ??= LoadAsync(rootDigest, cancellationToken);
        }

        try
        {
            return (await closure.ConfigureAwait(false)).GetValueOrDefault(digest);
        }
        catch (StorageException e) when (!e.IsTransient)
        {
            return null; // the closure is not complete, and neither has the service this one
        }
    }

    private async Task<Dictionary<B3Digest, CastoreDirectory>> LoadAsync(B3Digest rootDigest, CancellationToken cancellationToken)
    {
        Dictionary<B3Digest, CastoreDirectory> directories = [];
        await foreach (CastoreDirectory directory in service.GetClosureAsync(rootDigest, cancellationToken).ConfigureAwait(false))
        {
            directories[directory.Digest] = directory;
        }

        return directories;
    }
}
