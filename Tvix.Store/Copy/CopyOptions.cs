using Tvix.Castore.Blobs;

namespace Tvix.Store.Copy;

/// <summary>What a <see cref="StoreCopier"/> copies, and how much it does at a time.</summary>
public sealed class CopyOptions
{
    /// <summary>Whether the store paths that a path refers to are copied as well, and those that they refer to, and so on.</summary>
    /// <value>
    /// <see langword="true"/> by default. With <see langword="false"/>, the target may end up with store paths whose references it does not have.
    /// </value>
    public bool IncludeReferences { get; set; } = true;

    /// <summary>Whether a path info of the target that says something else of the same store path is replaced, rather than an error.</summary>
    /// <value><see langword="false"/> by default.</value>
    /// <seealso cref="StorePathConflictException"/>
    public bool Overwrite { get; set; }

    /// <summary>
    /// Whether the contents of store paths that the target has already are looked through, and what is missing of them is copied.
    /// </summary>
    /// <value><see langword="false"/> by default: a path info is stored after its contents, so where it is, they are.</value>
    public bool CheckContents { get; set; }

    /// <summary>
    /// Whether a large blob that the target lacks is put together from those of its chunks that the target has, and the others from the source.
    /// </summary>
    /// <value>
    /// <see langword="true"/> by default. Choose <see langword="false"/> when the target is farther away than the source: whatever is read from the target is
    /// written to it again.
    /// </value>
    public bool ReadChunksFromTarget { get; set; } = true;

    /// <summary>How many bytes of blobs may be in memory at a time, beside what the services themselves hold.</summary>
    /// <value>64 MiB by default, and at least 1 MiB.</value>
    public long BufferBytes { get; set; } = 64 << 20;

    /// <summary>The length up to which a blob is held in memory as a whole and stored together with others; longer ones are streamed.</summary>
    /// <value>1 MiB by default; never more than a quarter of <see cref="BufferBytes"/>.</value>
    /// <seealso cref="IBlobService.PutManyAsync"/>
    public int SmallBlobBytes { get; set; } = 1 << 20;

    /// <summary>How many store paths' contents are copied at a time. The directories of each are in memory meanwhile.</summary>
    /// <value>8 by default.</value>
    public int ConcurrentPaths { get; set; } = 8;

    /// <summary>How many questions for path infos and for the presence of blobs are under way at a time.</summary>
    /// <value>64 by default.</value>
    public int ConcurrentLookups { get; set; } = 64;

    /// <summary>How many small blobs are read from the source at a time.</summary>
    /// <value>16 by default.</value>
    public int ConcurrentReads { get; set; } = 16;

    /// <summary>How many batches of small blobs are stored at a time, and how many large blobs are streamed.</summary>
    /// <value>4 by default.</value>
    public int ConcurrentWrites { get; set; } = 4;

    /// <summary>The longest blob that is held in memory as a whole.</summary>
    internal ulong LargestSmallBlob => (ulong)Math.Min(SmallBlobBytes, BufferBytes / 4);

    internal CopyOptions Validated()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(BufferBytes, 1 << 20);
        ArgumentOutOfRangeException.ThrowIfNegative(SmallBlobBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ConcurrentPaths);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ConcurrentLookups);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ConcurrentReads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ConcurrentWrites);
        return (CopyOptions)MemberwiseClone(); // so that a change of the options does not reach a copy that runs
    }
}
