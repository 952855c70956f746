using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>Uploads a tree to two services. It is completed in the first, and only then in the second.</summary>
internal sealed class TwofoldDirectoryPutter(DirectoryPutter first, DirectoryPutter second) : DirectoryPutter
{
    private bool _ended;

    public override async ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        ThrowIfEnded();
        try
        {
            await first.PutAsync(directory, cancellationToken).ConfigureAwait(false);
            await second.PutAsync(directory, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _ended = true;
            throw;
        }
    }

    public override async ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfEnded();
        _ended = true;
        B3Digest root = await first.CompleteAsync(cancellationToken).ConfigureAwait(false);
        B3Digest answer = await second.CompleteAsync(cancellationToken).ConfigureAwait(false);
        return answer == root ? root : throw new StorageException($"The near directory service was given the tree {root} but answered {answer}.");
    }

    public override async ValueTask DisposeAsync()
    {
        _ended = true;
        try
        {
            await first.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            await second.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void ThrowIfEnded()
    {
        if (_ended)
        {
            throw new InvalidOperationException("The upload is complete, failed, or disposed.");
        }
    }
}
