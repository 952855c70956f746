using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Tests.Nar;

/// <summary>A blob service that answers each read only when the test says so, and keeps count.</summary>
internal sealed class GatedBlobService(IBlobService inner) : IBlobService
{
    private readonly Queue<TaskCompletionSource> _waiting = new();
    private readonly Lock _lock = new();

    /// <summary>How many reads wait.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
            {
                return _waiting.Count;
            }
        }
    }

    public int MostWaiting { get; private set; }

    /// <summary>Reads of these never wait.</summary>
    public HashSet<B3Digest> Ready { get; } = [];

    public List<BlobContent> HandedOut { get; } = [];

    /// <summary>Lets the read go on that has waited for longest; <see langword="false"/> when none waits.</summary>
    public bool Release()
    {
        TaskCompletionSource? source;
        lock (_lock)
        {
            if (!_waiting.TryDequeue(out source))
            {
                return false;
            }
        }

        source.SetResult();
        return true;
    }

    public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        inner.HasAsync(digest, cancellationToken);

    public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        inner.OpenReadAsync(digest, cancellationToken);

    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => inner.OpenWriteAsync(cancellationToken);

    public async ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default)
    {
        if (!Ready.Contains(digest))
        {
            TaskCompletionSource source = new(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (_lock)
            {
                _waiting.Enqueue(source);
                MostWaiting = Math.Max(MostWaiting, _waiting.Count);
            }

            await source.Task.WaitAsync(cancellationToken);
        }

        BlobContent? content = await inner.ReadAsync(digest, maxBytes, cancellationToken);
        if (content is not null)
        {
            lock (_lock)
            {
                HandedOut.Add(content);
            }
        }

        return content;
    }
}

/// <summary>A directory service that never answers at once, and may know roots only.</summary>
internal sealed class AsyncDirectoryService(IDirectoryService inner, B3Digest? onlyRoot = null) : IDirectoryService
{
    private int _gets;

    public int Gets => _gets;

    public async ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        Interlocked.Increment(ref _gets);
        return onlyRoot is { } root && root != digest ? null : await inner.GetAsync(digest, cancellationToken);
    }

    public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) =>
        inner.PutAsync(directory, cancellationToken);

    public IAsyncEnumerable<CastoreDirectory> GetClosureAsync(B3Digest root, CancellationToken cancellationToken = default) =>
        inner.GetClosureAsync(root, cancellationToken);
}

/// <summary>A blob service that knows other contents for some digests than it should.</summary>
internal sealed class LyingBlobService(IBlobService inner, B3Digest digest, byte[]? contents, bool honestLength = true) : IBlobService
{
    public ValueTask<bool> HasAsync(B3Digest d, CancellationToken cancellationToken = default) => inner.HasAsync(d, cancellationToken);

    public ValueTask<Stream?> OpenReadAsync(B3Digest d, CancellationToken cancellationToken = default) =>
        d != digest ? inner.OpenReadAsync(d, cancellationToken)
        : new(contents is null ? null : honestLength ? new MemoryStream(contents, writable: false) : new ForgedStream(contents));

    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => inner.OpenWriteAsync(cancellationToken);

    /// <summary>Claims to be 100 000 bytes long.</summary>
    private sealed class ForgedStream(byte[] bytes) : MemoryStream(bytes, writable: false)
    {
        public override long Length => 100_000;
    }
}
