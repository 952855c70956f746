using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>Records that are flushed and entered in the index together, and whoever waits for that.</summary>
/// <param name="sequence">Batches are committed in ascending order.</param>
internal sealed class CommitBatch(long sequence)
{
    /// <summary>Stands for all batches that were committed; earlier than any other.</summary>
    public static CommitBatch Committed { get; } = MakeCommitted();

    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Batches are committed in ascending order.</summary>
    public long Sequence { get; } = sequence;

    /// <summary>The rows for the index. Guarded by the store until the batch is taken for its commit.</summary>
    public List<IndexRow> Rows { get; } = [];

    /// <summary>The objects whose records this batch holds, or that are promised by it.</summary>
    public List<(RecordKind Kind, B3Digest Digest)> Pending { get; } = [];

    /// <summary>
    /// Whether the index itself must be on disk with this batch. That is so for rows of provisional records, which a recovery from the pack alone would leave out.
    /// </summary>
    public bool FlushesIndex { get; set; }

    /// <summary>The number of payload bytes.</summary>
    public long Bytes { get; set; }

    /// <summary>Ends when everything is as durable as the store promises.</summary>
    public Task Completion => _completion.Task;

    public bool IsEmpty => Rows.Count == 0 && Bytes == 0;

    private static CommitBatch MakeCommitted()
    {
        CommitBatch batch = new(-1);
        batch.Complete();
        return batch;
    }

    public void Complete() => _completion.TrySetResult();

    public void Fail(Exception error)
    {
        _completion.TrySetException(error);
        _ = _completion.Task.Exception; // observed: not everybody who appends waits
    }
}
