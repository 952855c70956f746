namespace Tvix.Castore.Local;

/// <summary>Where a record lies. Only the index knows.</summary>
/// <param name="Pack">The number of the pack file.</param>
/// <param name="Offset">Where the record's head begins in it.</param>
/// <param name="StoredLength">The length of the payload as stored, in bytes.</param>
/// <param name="LogicalLength">The length of what the payload stands for, in bytes.</param>
internal readonly record struct RecordLocation(int Pack, long Offset, int StoredLength, long LogicalLength)
{
    /// <summary>Whether the payload is the bytes themselves: only what is compressed has another length.</summary>
    public bool IsRaw => StoredLength == LogicalLength;
}
