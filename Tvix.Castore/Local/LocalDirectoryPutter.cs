using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>
/// Writes the directories of a tree to the pack as they come, and enters them in the index together at the end. What it keeps in memory is some 150 bytes a
/// directory, however large the directories are.
/// </summary>
internal sealed class LocalDirectoryPutter(LocalStore store) : DirectoryPutter
{
    private readonly WriteSession _session = new(store);
    private readonly DirectoryUploadOrder _order = new();
    private readonly List<IndexRow> _rows = [];
    private bool _ended;

    public override async ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfEnded();
        try
        {
            if (_order.Add(directory) && !store.Contains(RecordKind.Directory, directory.Digest))
            {
                _rows.Add(_session.AppendHidden(RecordKind.Directory, directory.Digest, directory.EncodedSpan));
                await store.ThrottleAsync(cancellationToken).ConfigureAwait(false);
            }
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
        B3Digest root = _order.Complete();
        if (_rows.Count > 0)
        {
            _session.Enter(_rows);
            await _session.CommitAsync(cancellationToken).ConfigureAwait(false);
        }

        return root;
    }

    public override ValueTask DisposeAsync()
    {
        _ended = true;
        return ValueTask.CompletedTask;
    }

    private void ThrowIfEnded()
    {
        if (_ended)
        {
            throw new InvalidOperationException("The upload is complete, failed, or disposed.");
        }
    }
}
