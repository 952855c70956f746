using System.Runtime.CompilerServices;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Model;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store;

public sealed partial class TvixStore
{
    /// <summary>
    /// Reads and hashes everything, and checks that every store path can be read as a whole. Damaged objects are reported first, then the store paths that suffer.
    /// </summary>
    /// <remarks>
    /// A backend that can check itself (<see cref="IVerifiableStore"/>) is asked to; otherwise everything that store paths refer to is read. Memory grows with the number
    /// of distinct directories and of damaged objects.
    /// </remarks>
    public async IAsyncEnumerable<StoreFinding> VerifyAsync(
        IProgress<VerifyProgress>? progress = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        HashSet<B3Digest> damaged = [];
        if (Services.Verifiable is { } verifiable)
        {
            await foreach (StoreDamage damage in verifiable.VerifyAsync(progress, cancellationToken).ConfigureAwait(false))
            {
                if (damage.Digest is { } digest)
                {
                    damaged.Add(digest);
                }

                string subject = damage is { Kind: StoreDamageKind.NamedValue, Digest: { } key }
                    ? $"The path info of {LocalPathInfoService.DigestOf(key)} is damaged: " : "";
                yield return new StoreFinding(subject + damage.Message, damage, null);
            }
        }

        // A directory is looked at once; what is wrong below it is remembered.
        Dictionary<B3Digest, string?> directories = [];
        bool readBlobs = Services.Verifiable is null;

        // Damaged path infos were reported above, if the service is that of the store which checked itself.
        IAsyncEnumerable<PathInfo> listing = ServiceCapabilities.Find<LocalPathInfoService>(PathInfos) is { } local && !readBlobs
            ? local.ListAsync(skipDamaged: true, cancellationToken)
            : PathInfos.ListAsync(cancellationToken);
        IAsyncEnumerator<PathInfo> infos = listing.GetAsyncEnumerator(cancellationToken);
        await using (infos.ConfigureAwait(false))
        {
            while (true)
            {
                PathInfo info;
                StoreFinding? broken = null;
                try
                {
                    if (!await infos.MoveNextAsync().ConfigureAwait(false))
                    {
                        break;
                    }
                }
                catch (Exception e) when ((e is CastoreException or TvixStoreException) && !IsAway(e))
                {
                    // The listing ends here; the damaged record itself was reported above.
                    broken = new StoreFinding($"The store paths cannot be listed any further: {e.Message}", null, null);
                }

                if (broken is not null)
                {
                    yield return broken;
                    break;
                }

                info = infos.Current;
                if (await FindFaultAsync(info.Node, damaged, directories, readBlobs, cancellationToken).ConfigureAwait(false) is { } fault)
                {
                    yield return new StoreFinding($"{info.StorePath.ToAbsolutePath(StoreDirectory)} cannot be read as a whole: {fault}", null, info.StorePath);
                }
            }
        }
    }

    /// <summary>What keeps a tree from being read as a whole; <see langword="null"/> when nothing does.</summary>
    private async ValueTask<string?> FindFaultAsync(
        Node root, HashSet<B3Digest> damaged, Dictionary<B3Digest, string?> known, bool readBlobs, CancellationToken cancellationToken)
    {
        // Depth first without recursion: a directory's fault is known when its children's are.
        Stack<(B3Digest Digest, CastoreDirectory Directory, int Next, string? Fault)> levels = new();
        Node? current = root;
        string? fault = null;
        while (true)
        {
            if (current is Node.Directory child && !known.TryGetValue(child.Digest, out fault))
            {
                try
                {
                    CastoreDirectory? directory = damaged.Contains(child.Digest)
                        ? null
                        : await Directories.GetAsync(child.Digest, cancellationToken).ConfigureAwait(false);
                    if (directory is not null)
                    {
                        levels.Push((child.Digest, directory, 0, null));
                    }
                    else
                    {
                        known[child.Digest] = fault = $"the directory {child.Digest} is damaged or missing";
                    }
                }
                catch (CastoreException e) when (!IsAway(e))
                {
                    known[child.Digest] = fault = e.Message;
                }
            }
            else if (current is Node.File file)
            {
                fault = await FindBlobFaultAsync(file, damaged, readBlobs, cancellationToken).ConfigureAwait(false);
            }

            // Back in the directory above, with what was found.
            while (true)
            {
                if (!levels.TryPop(out var level))
                {
                    return fault;
                }

                level.Fault ??= fault;
                fault = null;
                if (level.Fault is null && level.Next < level.Directory.Count)
                {
                    DirectoryEntry entry = level.Directory[level.Next];
                    levels.Push(level with { Next = level.Next + 1 });
                    current = entry.Node;
                    break;
                }

                known[level.Digest] = fault = level.Fault;
            }
        }
    }

    private async ValueTask<string?> FindBlobFaultAsync(Node.File file, HashSet<B3Digest> damaged, bool readBlobs, CancellationToken cancellationToken)
    {
        if (damaged.Contains(file.Digest))
        {
            return $"the blob {file.Digest} is damaged";
        }

        try
        {
            if (!readBlobs)
            {
                return await Blobs.HasAsync(file.Digest, cancellationToken).ConfigureAwait(false) ? null : $"the blob {file.Digest} is missing";
            }

            Stream? stream = await Blobs.OpenReadAsync(file.Digest, cancellationToken).ConfigureAwait(false);
            if (stream is null)
            {
                return $"the blob {file.Digest} is missing";
            }

            await using (stream.ConfigureAwait(false))
            {
                await stream.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
                return (ulong)stream.Position == file.Size ? null : $"the blob {file.Digest} has {stream.Position} bytes instead of {file.Size}";
            }
        }
        catch (CastoreException e) when (!IsAway(e))
        {
            return e.Message;
        }
    }

    /// <summary>Whether a store does not answer, which says nothing of what it holds.</summary>
    private static bool IsAway(Exception e) => e is StorageException { IsTransient: true };
}
