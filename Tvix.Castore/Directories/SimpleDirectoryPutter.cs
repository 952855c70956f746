using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>Gathers and validates a closure, then puts its directories one by one, leaves first.</summary>
/// <param name="service">Where the directories go.</param>
/// <param name="sizeCheck">Which recorded sizes are accepted.</param>
public sealed class SimpleDirectoryPutter(IDirectoryService service, DirectorySizeCheck sizeCheck = DirectorySizeCheck.Either)
    : DirectoryPutter
{
    private DirectoryClosure? _closure = DirectoryClosure.LeavesToRoot(sizeCheck);

    /// <inheritdoc/>
    public override ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Closure.Add(directory);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override async ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        DirectoryClosure closure = Closure;
        _closure = null;
        CastoreDirectory root = closure.Validate();
        foreach (CastoreDirectory directory in closure.DrainLeavesToRoot())
        {
            B3Digest digest = await service.PutAsync(directory, cancellationToken).ConfigureAwait(false);
            if (digest != directory.Digest)
            {
                throw new StorageException($"The directory service stored {directory.Digest} but answered {digest}.");
            }
        }

        return root.Digest;
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        _closure = null;
        return ValueTask.CompletedTask;
    }

    private DirectoryClosure Closure => _closure ?? throw new InvalidOperationException("The upload is complete, failed, or disposed.");
}
