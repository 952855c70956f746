using System.Runtime.CompilerServices;
using Tvix.Castore.Composition;
using Tvix.Castore.Model;
using Tvix.Castore.Telemetry;

namespace Tvix.Castore.Directories;

/// <summary>
/// Reads from a near service; what that does not have is fetched from a far one, with all that is below it, and stored near. Writes go
/// where one chooses. Spec: castore §4.6.
/// </summary>
/// <remarks>
/// <para>What comes from the far service is validated as a whole (order, sizes, completeness) before any of it is stored or handed out, so
/// a closure is held in memory while it is fetched. Readers who miss the same directory at the same time share one fetch, which is
/// cancelled when none of them waits any more. Neither absence nor failure is remembered.</para>
/// <para>Only absence leads from near to far: a service that fails is not passed over. A directory that is near alone, without those below
/// it, has no closure near, and that is a failure; so a tree is written with <see cref="OpenPutter"/>, or all of it to the same
/// side.</para>
/// </remarks>
public sealed class CachingDirectoryService : IDirectoryService, IWrittenElsewhere<IDirectoryService>
{
    private readonly IDirectoryService _near;
    private readonly IDirectoryService _far;
    private readonly DirectorySizeCheck _sizeCheck;
    private readonly CacheWrites _writes;
    private readonly SingleFlight<B3Digest, DirectoryClosure?> _fetches = new();

    /// <summary>Makes a cache.</summary>
    /// <param name="near">Asked first, and filled with what is read from <paramref name="far"/>.</param>
    /// <param name="far">Asked for what <paramref name="near"/> does not have.</param>
    /// <param name="writes">Where directories go that are written.</param>
    /// <param name="sizeCheck">Which recorded sizes are accepted from <paramref name="far"/>.</param>
    public CachingDirectoryService(
        IDirectoryService near,
        IDirectoryService far,
        CacheWrites writes = CacheWrites.Near,
        DirectorySizeCheck sizeCheck = DirectorySizeCheck.Either)
    {
        ArgumentNullException.ThrowIfNull(near);
        ArgumentNullException.ThrowIfNull(far);
        writes.ThrowIfUndefined();
        _near = near;
        _far = far;
        _writes = writes;
        _sizeCheck = sizeCheck;
    }

    internal CacheLookups Lookups { get; } = new("directory");

    IDirectoryService IWrittenElsewhere<IDirectoryService>.WrittenTo => _writes == CacheWrites.Near ? this : ServiceCapabilities.WrittenTo(_far);

    /// <inheritdoc/>
    public async ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        CastoreDirectory? directory = await _near.GetAsync(digest, cancellationToken).ConfigureAwait(false);
        Lookups.Count(directory is not null);
        return directory ?? (await FetchAsync(digest, cancellationToken).ConfigureAwait(false))?.Validate();
    }

    /// <inheritdoc/>
    /// <remarks>
    /// With <see cref="CacheWrites.Far"/>, only a directory without child directories can be put alone: others come back with all that is
    /// below them, which need not be there.
    /// </remarks>
    public async ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        cancellationToken.ThrowIfCancellationRequested();
        if (_writes == CacheWrites.Far && directory.Entries.Any(entry => entry.Node is Node.Directory))
        {
            throw new NotSupportedException("Through a cache that writes far, directories with children are put with those, by a putter.");
        }

        if (_writes != CacheWrites.Near)
        {
            B3Digest digest = await _far.PutAsync(directory, cancellationToken).ConfigureAwait(false);
            if (_writes == CacheWrites.Far)
            {
                return digest;
            }
        }

        return await _near.PutAsync(directory, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<CastoreDirectory> GetClosureAsync(
        B3Digest root, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        bool isNear = false;
        await foreach (CastoreDirectory directory in _near.GetClosureAsync(root, cancellationToken).ConfigureAwait(false))
        {
            if (!isNear)
            {
                isNear = true;
                Lookups.Count(isHit: true);
            }

            yield return directory;
        }

        if (isNear)
        {
            yield break;
        }

        Lookups.Count(isHit: false);
        if (await FetchAsync(root, cancellationToken).ConfigureAwait(false) is not { } closure)
        {
            yield break;
        }

        foreach (CastoreDirectory directory in closure.DrainRootToLeaves())
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return directory;
        }
    }

    /// <inheritdoc/>
    public DirectoryPutter OpenPutter() => _writes switch
    {
        CacheWrites.Near => _near.OpenPutter(),
        CacheWrites.Far => _far.OpenPutter(),
        _ => new TwofoldDirectoryPutter(_far.OpenPutter(), _near.OpenPutter()),
    };

    /// <summary>Brings a closure from far to near, together with all others who want it; <see langword="null"/> when it is not there
    /// either.</summary>
    private Task<DirectoryClosure?> FetchAsync(B3Digest root, CancellationToken cancellationToken) =>
        _fetches.RunAsync(root, token => FetchCoreAsync(root, token), cancellationToken);

    private async Task<DirectoryClosure?> FetchCoreAsync(B3Digest root, CancellationToken cancellationToken)
    {
        DirectoryClosure closure = DirectoryClosure.RootToLeaves(root, _sizeCheck);
        bool found = false;
        await foreach (CastoreDirectory directory in _far.GetClosureAsync(root, cancellationToken).ConfigureAwait(false))
        {
            found = true;
            closure.Add(directory);
        }

        if (!found)
        {
            return null;
        }

        closure.Validate();
        DirectoryPutter putter = _near.OpenPutter();
        await using (putter.ConfigureAwait(false))
        {
            foreach (CastoreDirectory directory in closure.DrainLeavesToRoot())
            {
                await putter.PutAsync(directory, cancellationToken).ConfigureAwait(false);
            }

            B3Digest stored = await putter.CompleteAsync(cancellationToken).ConfigureAwait(false);
            if (stored != root)
            {
                throw new StorageException($"The near directory service was given the tree {root} but answered {stored}.");
            }
        }

        return closure;
    }
}
