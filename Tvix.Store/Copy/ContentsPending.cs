using Tvix.Store.Nix;

namespace Tvix.Store.Copy;

/// <summary>Counts the blobs of one store path that are not yet in the target.</summary>
/// <param name="path">The store path, for messages.</param>
internal sealed class ContentsPending(StorePath path)
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count = 1; // for whoever still adds blobs

    public StorePath Path { get; } = path;

    public void Add() => Interlocked.Increment(ref _count);

    /// <summary>Takes one off: a blob that has come, or, once, the caller who adds no more.</summary>
    public void Remove()
    {
        if (Interlocked.Decrement(ref _count) == 0)
        {
            _done.SetResult();
        }
    }

    /// <summary>Waits until all are there.</summary>
    public Task WaitAsync(CancellationToken cancellationToken) => _done.Task.WaitAsync(cancellationToken);
}
