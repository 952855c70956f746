using Tvix.Castore.Composition;
using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>Uploads a tree only if the service does not have all of it: for trees that are likely to be there, and services to which sending is dear.</summary>
/// <remarks>The tree is in memory until the end; one that is larger than a limit is sent as it comes.</remarks>
/// <param name="service">Where the directories go.</param>
/// <param name="maxBytes">The limit in bytes.</param>
internal sealed class AskingDirectoryPutter(IDirectoryService service, int maxBytes = 8 << 20) : DirectoryPutter
{
    private readonly List<CastoreDirectory> _held = [];
    private int _bytes;
    private DirectoryPutter? _putter;

    public override async ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        cancellationToken.ThrowIfCancellationRequested();
        if (_putter is not null)
        {
            await _putter.PutAsync(directory, cancellationToken).ConfigureAwait(false);
            return;
        }

        _held.Add(directory);
        _bytes += directory.EncodedSpan.Length;
        if (_bytes > maxBytes)
        {
            await SendAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override async ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_putter is null)
        {
            if (_held.Count > 0 && await HasAllAsync(_held[^1].Digest, cancellationToken).ConfigureAwait(false))
            {
                return _held[^1].Digest;
            }

            await SendAsync(cancellationToken).ConfigureAwait(false);
        }

        return await _putter!.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        _putter = service.OpenPutter();
        foreach (CastoreDirectory directory in _held)
        {
            await _putter.PutAsync(directory, cancellationToken).ConfigureAwait(false);
        }

        _held.Clear();
    }

    /// <summary>Whether the service has a directory and all below it; what it finds elsewhere than where it writes does not count.</summary>
    private async ValueTask<bool> HasAllAsync(B3Digest root, CancellationToken cancellationToken)
    {
        try
        {
            bool found = false;
            await foreach (CastoreDirectory _ in ServiceCapabilities.WrittenTo(service).GetClosureAsync(root, cancellationToken).ConfigureAwait(false))
            {
                found = true;
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
    }

    public override ValueTask DisposeAsync() => _putter?.DisposeAsync() ?? ValueTask.CompletedTask;
}
