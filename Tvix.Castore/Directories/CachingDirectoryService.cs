using System.Runtime.CompilerServices;
using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>
/// Reads from a near service; what that does not have is fetched from a far one, with all that is below it, and stored near. Writes go
/// near. Spec: castore §4.6.
/// </summary>
/// <remarks>
/// <para>What comes from the far service is validated as a whole (order, sizes, completeness) before any of it is stored or handed out, so
/// a closure is held in memory while it is fetched. Absence is not remembered.</para>
/// <para>Only absence leads from near to far: a near service that fails is not passed over.</para>
/// </remarks>
/// <param name="near">Asked first, and the only one written to.</param>
/// <param name="far">Asked for what <paramref name="near"/> does not have.</param>
/// <param name="sizeCheck">Which recorded sizes are accepted from <paramref name="far"/>.</param>
public sealed class CachingDirectoryService(
    IDirectoryService near, IDirectoryService far, DirectorySizeCheck sizeCheck = DirectorySizeCheck.Either) : IDirectoryService
{
    private readonly IDirectoryService _near = near ?? throw new ArgumentNullException(nameof(near));
    private readonly IDirectoryService _far = far ?? throw new ArgumentNullException(nameof(far));

    /// <inheritdoc/>
    public async ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        CastoreDirectory? directory = await _near.GetAsync(digest, cancellationToken).ConfigureAwait(false);
        if (directory is not null)
        {
            return directory;
        }

        DirectoryClosure? closure = await FetchAsync(digest, cancellationToken).ConfigureAwait(false);
        return closure?.Validate();
    }

    /// <inheritdoc/>
    public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) =>
        _near.PutAsync(directory, cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<CastoreDirectory> GetClosureAsync(
        B3Digest root, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        bool isNear = false;
        await foreach (CastoreDirectory directory in _near.GetClosureAsync(root, cancellationToken).ConfigureAwait(false))
        {
            isNear = true;
            yield return directory;
        }

        if (isNear || await FetchAsync(root, cancellationToken).ConfigureAwait(false) is not { } closure)
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
    public DirectoryPutter OpenPutter() => _near.OpenPutter();

    /// <summary>Brings a closure from far to near; <see langword="null"/> when it is not there either.</summary>
    private async ValueTask<DirectoryClosure?> FetchAsync(B3Digest root, CancellationToken cancellationToken)
    {
        DirectoryClosure closure = DirectoryClosure.RootToLeaves(root, sizeCheck);
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
