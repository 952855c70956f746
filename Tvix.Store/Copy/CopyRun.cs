using Tvix.Castore;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Copy;

/// <summary>Carries out a plan: contents of several paths at a time, path infos each after those of its references.</summary>
internal sealed class CopyRun(TvixStore source, TvixStore target, CopyOptions options, CopyCounters counters)
{
    private readonly SemaphoreSlim _contents = new(options.ConcurrentPaths);
    private readonly SemaphoreSlim _puts = new(options.ConcurrentLookups);

    // What is fetched from archives is verified and stored where the target has its contents; what becomes an archive is read for that. Nothing else needs to be moved.
    private readonly bool _areContentsShared = source.KeepsArchives || target.KeepsArchives;
    private readonly BlobMover _blobs = new(source.Blobs, target.Blobs, options, counters, source.StoreDirectory);

    /// <summary>Copies everything. When this ends, however it does, nothing is under way any more.</summary>
    public async Task RunAsync(IReadOnlyList<PlannedPath> plan, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        CopyFailure failure = new(stop);
        Task moving = _blobs.RunAsync(failure, stop.Token);
        await failure.GuardAsync(CopyPathsAsync(plan, failure, stop.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _blobs.Complete();
        await Task.WhenAll([moving, .. plan.Select(path => path.Published)]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        failure.Throw();
    }

    private async Task CopyPathsAsync(IReadOnlyList<PlannedPath> plan, CopyFailure failure, CancellationToken cancellationToken)
    {
        foreach (PlannedPath path in plan)
        {
            if (!path.NeedsContents)
            {
                path.Published = failure.GuardAsync(PublishAsync(path, cancellationToken));
                continue;
            }

            await _contents.WaitAsync(cancellationToken).ConfigureAwait(false);
            path.Published = failure.GuardAsync(Task.Run(
                async () =>
                {
                    try
                    {
                        PathInfo info = await FindAsync(path, cancellationToken).ConfigureAwait(false);
                        if (!_areContentsShared)
                        {
                            await CopyContentsAsync(info, cancellationToken).ConfigureAwait(false);
                        }
                    }
                    finally
                    {
                        _contents.Release();
                    }

                    await PublishAsync(path, cancellationToken).ConfigureAwait(false);
                },
                CancellationToken.None));
        }

        await Task.WhenAll(plan.Select(path => path.Published)).ConfigureAwait(false);
    }

    /// <summary>Stores the path info, after those of the references.</summary>
    private async Task PublishAsync(PlannedPath path, CancellationToken cancellationToken)
    {
        foreach (PlannedPath reference in path.Before)
        {
            await reference.Published.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        if (path.ToPut is not null)
        {
            await _puts.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await target.PathInfos.PutAsync(path.ToPut, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _puts.Release();
            }
        }

        // Of contents that were looked through or moved as blobs, the bytes are counted already.
        counters.AddPath(
            saved: path.NeedsContents ? 0 : path.NarSize,
            copied: path.NeedsContents && _areContentsShared ? path.NarSize : 0); // of archives, the lengths that they have uncompressed
    }

    /// <summary>What the source says of a path, after it has fetched the contents if it must.</summary>
    private async ValueTask<PathInfo> FindAsync(PlannedPath path, CancellationToken cancellationToken)
    {
        if (path.Info is null)
        {
            path.Fetched(await FetchAsync().ConfigureAwait(false));
        }
        else if (path.IsArchived && !await IsWholeAsync(path.Info.Node, cancellationToken).ConfigureAwait(false))
        {
            await FetchAsync().ConfigureAwait(false);
        }

        return path.Info!;

        async ValueTask<PathInfo> FetchAsync() => await source.PathInfos.GetAsync(path.StorePath.Digest, cancellationToken).ConfigureAwait(false)
            ?? throw new StorageException($"{path.StorePath.ToAbsolutePath(source.StoreDirectory)} is not in the source any more.");
    }

    /// <summary>Whether the target has all contents of a path.</summary>
    private async ValueTask<bool> IsWholeAsync(Node root, CancellationToken cancellationToken)
    {
        switch (root)
        {
            case Node.File file:
                return await target.Blobs.HasAsync(file.Digest, cancellationToken).ConfigureAwait(false);
            case Node.Directory { Digest: B3Digest digest }:
                try
                {
                    bool found = false;
                    await foreach (CastoreDirectory directory in target.Directories.GetClosureAsync(digest, cancellationToken).ConfigureAwait(false))
                    {
                        found = true;
                        foreach (DirectoryEntry entry in directory.Entries)
                        {
                            if (entry.Node is Node.File file && !await target.Blobs.HasAsync(file.Digest, cancellationToken).ConfigureAwait(false))
                            {
                                return false;
                            }
                        }
                    }

                    return found;
                }
                catch (StorageException e) when (!e.IsTransient)
                {
                    return false; // directories are missing
                }
                catch (InvalidDirectoryException e) when (e.Error == DirectoryError.NotConnected)
                {
                    return false; // likewise
                }

            default:
                return true;
        }
    }

    private async Task CopyContentsAsync(PathInfo info, CancellationToken cancellationToken)
    {
        ContentsPending pending = new(info.StorePath);
        DirectoryClosure? missing = null;
        if (info.Node is Node.File file)
        {
            await _blobs.RequestAsync(file, pending, cancellationToken).ConfigureAwait(false);
        }
        else if (info.Node is Node.Directory { Digest: B3Digest root } && !await HasTreeAsync(root, pending, cancellationToken).ConfigureAwait(false))
        {
            missing = await WalkAsync(source.Directories, root, pending, cancellationToken).ConfigureAwait(false)
                ?? throw new StorageException(
                    $"The directory {root}, the contents of {info.StorePath.ToAbsolutePath(source.StoreDirectory)}, is missing from the source.");
        }

        pending.Remove();
        await pending.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (missing is not null)
        {
            await PutTreeAsync(missing, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Whether the target has all directories of a tree. Asks for the contents of their files.</summary>
    private async Task<bool> HasTreeAsync(B3Digest root, ContentsPending pending, CancellationToken cancellationToken)
    {
        try
        {
            return await WalkAsync(ServiceCapabilities.WrittenTo(target.Directories), root, pending, cancellationToken).ConfigureAwait(false) is not null;
        }
        catch (StorageException e) when (!e.IsTransient)
        {
            return false; // directories are missing, so they are to be stored
        }
        catch (InvalidDirectoryException e) when (e.Error == DirectoryError.NotConnected)
        {
            return false; // likewise
        }
    }

    /// <summary>Walks through the directories of a tree and asks for the contents of their files; <see langword="null"/> when the root is not there.</summary>
    private async Task<DirectoryClosure?> WalkAsync(
        IDirectoryService service, B3Digest root, ContentsPending pending, CancellationToken cancellationToken)
    {
        DirectoryClosure closure = DirectoryClosure.RootToLeaves(root);
        bool found = false;
        await foreach (CastoreDirectory directory in service.GetClosureAsync(root, cancellationToken).ConfigureAwait(false))
        {
            found = true;
            closure.Add(directory);
            foreach (DirectoryEntry entry in directory.Entries)
            {
                if (entry.Node is Node.File file)
                {
                    await _blobs.RequestAsync(file, pending, cancellationToken).ConfigureAwait(false);
                }
            }
        }

        if (found)
        {
            closure.Validate();
        }

        return found ? closure : null;
    }

    private async Task PutTreeAsync(DirectoryClosure closure, CancellationToken cancellationToken)
    {
        B3Digest root = closure.Validate().Digest;
        long count = 0;
        DirectoryPutter putter = target.Directories.OpenPutter();
        await using (putter.ConfigureAwait(false))
        {
            foreach (CastoreDirectory directory in closure.DrainLeavesToRoot())
            {
                await putter.PutAsync(directory, cancellationToken).ConfigureAwait(false);
                count++;
            }

            B3Digest stored = await putter.CompleteAsync(cancellationToken).ConfigureAwait(false);
            if (stored != root)
            {
                throw new DigestMismatchException(root, stored, "the tree that the target says it stored");
            }
        }

        counters.AddDirectories(count);
    }
}
