using System.Buffers;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>Stores small files in batches: one batch is being stored while the next one is filled.</summary>
/// <param name="blobs">Where they go.</param>
/// <param name="maxBytes">The most bytes that both batches hold together.</param>
internal sealed class BlobBatch(IBlobService blobs, int maxBytes) : IAsyncDisposable
{
    // Empty files take no bytes, but do take memory.
    private const int MaxCount = 4096;

    private readonly CancellationTokenSource _abandoned = new();
    private List<(byte[] Buffer, int Length, FileContent Content)> _files = [];
    private int _bytes;
    private Task _storing = Task.CompletedTask;

    /// <summary>The greatest length of a file that fits.</summary>
    public int MaxFileLength => Math.Min(1 << 20, maxBytes / 2);

    /// <summary>Takes a file; its digest is set by the time that <see cref="CompleteAsync"/> has returned.</summary>
    /// <param name="buffer">A pooled array with the contents at its start, given away.</param>
    /// <param name="length">The length of the contents, at most <see cref="MaxFileLength"/>.</param>
    /// <param name="content">Receives the digest.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async ValueTask AddAsync(byte[] buffer, int length, FileContent content, CancellationToken cancellationToken)
    {
        if (_bytes + length > maxBytes / 2 || _files.Count == MaxCount)
        {
            await FlushAsync(cancellationToken).ConfigureAwait(false);
        }

        _files.Add((buffer, length, content));
        _bytes += length;
    }

    /// <summary>Waits until everything is stored.</summary>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        await FlushAsync(cancellationToken).ConfigureAwait(false);
        await _storing.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _abandoned.CancelAsync().ConfigureAwait(false);

        // When this is the way out of a failure, that failure is what the caller should see; otherwise the task was awaited and has not
        // failed.
        await _storing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Release(_files);
        _abandoned.Dispose();
    }

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await _storing.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (_files.Count > 0)
        {
            List<(byte[] Buffer, int Length, FileContent Content)> files = _files;

            // On another thread: hashing and compressing are most of the work, and must not keep the archive from being read.
            _storing = Task.Run(() => StoreAsync(files, cancellationToken), CancellationToken.None);
            _files = [];
            _bytes = 0;
        }
    }

    private async Task StoreAsync(List<(byte[] Buffer, int Length, FileContent Content)> files, CancellationToken cancellationToken)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _abandoned.Token);
        try
        {
            B3Digest[] digests = new B3Digest[files.Count];
            ReadOnlyMemory<byte>[] contents = [.. files.Select(file => new ReadOnlyMemory<byte>(file.Buffer, 0, file.Length))];
            await blobs.PutManyAsync(contents, digests, either.Token).ConfigureAwait(false);
            for (int i = 0; i < digests.Length; i++)
            {
                files[i].Content.Digest = digests[i];
            }
        }
        finally
        {
            Release(files);
        }
    }

    private static void Release(List<(byte[] Buffer, int Length, FileContent Content)> files)
    {
        foreach ((byte[] buffer, _, _) in files)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
