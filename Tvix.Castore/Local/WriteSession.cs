using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>
/// What one caller appends before it tells anybody: a blob's chunks, many small blobs, the directories of a tree. Nothing of it may be acknowledged before
/// <see cref="CommitAsync"/>, which fails when the store failed at any time since the session began.
/// </summary>
/// <remarks>Used by one caller at a time.</remarks>
internal sealed class WriteSession(LocalStore store)
{
    private int? _generation;
    private CommitBatch? _last;

    /// <summary>Adds a record unless the object is there or on its way.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="key">Its digest or name.</param>
    /// <param name="content">The payload, uncompressed.</param>
    /// <param name="isNew">Whether the caller has looked it up already, or it is to be stored in any case.</param>
    /// <param name="logicalLength">The length of what the payload stands for, where that is not its own.</param>
    public void Append(RecordKind kind, B3Digest key, ReadOnlySpan<byte> content, bool isNew = false, long? logicalLength = null) =>
        Remember(store.Append(kind, key, content, isNew, logicalLength, ref _generation));

    /// <summary>Adds a chunk that is not in the store, in the form it is to be stored in.</summary>
    public void Append(B3Digest chunk, ReadOnlySpan<byte> content, in PackedContent packed) =>
        Remember(store.Append(RecordKind.Chunk, chunk, content, in packed, content.Length, ref _generation));

    /// <summary>Adds a record that stays out of the index until its row is given to <see cref="Enter"/>.</summary>
    public IndexRow AppendHidden(RecordKind kind, B3Digest key, ReadOnlySpan<byte> content) => store.AppendHidden(kind, key, content, ref _generation);

    /// <summary>Enters hidden records in the index with the next commit.</summary>
    public void Enter(List<IndexRow> rows) => Remember(store.Enter(rows, ref _generation));

    /// <summary>Waits until everything is as durable as the store promises.</summary>
    /// <exception cref="StorageException">It is not, and may never be.</exception>
    public ValueTask CommitAsync(CancellationToken cancellationToken) => store.CommitAsync(_last, cancellationToken);

    private void Remember(CommitBatch? batch)
    {
        // Batches are committed in order, and when one fails, so do those after it.
        if (batch is not null && (_last is null || batch.Sequence > _last.Sequence))
        {
            _last = batch;
        }
    }
}
