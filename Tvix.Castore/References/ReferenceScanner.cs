namespace Tvix.Castore.References;

/// <summary>
/// Notes which candidates of a pattern occur in contents: every one, also where they overlap each other or contain each other.
/// </summary>
/// <remarks>
/// Candidates once found stay found. All members may be called concurrently, so that many files are scanned at a time for one scanner; what
/// one call has found is seen by others when it returns. Spec: castore §7.1 and §7.2, whose superset this is.
/// </remarks>
public sealed class ReferenceScanner
{
    private readonly bool[] _found;

    /// <summary>Makes a scanner that has found nothing yet.</summary>
    public ReferenceScanner(ReferencePattern pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        Pattern = pattern;
        _found = new bool[pattern.UniqueCount];
    }

    /// <summary>What is looked for.</summary>
    public ReferencePattern Pattern { get; }

    /// <summary>Looks at contents that are at hand as a whole: a small file, the target of a symlink.</summary>
    public void Scan(ReadOnlySpan<byte> contents) => Pattern.Searcher.Scan(contents, _found);

    /// <summary>Starts to look at one file that comes in pieces.</summary>
    public ReferenceScan StartFile() => new(Pattern.Searcher.Start(), _found);

    /// <summary>Whether the candidate at a place of the pattern's list was found.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is no place of the list.</exception>
    public bool IsFound(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Pattern.Count);
        return Volatile.Read(ref _found[Pattern.UniqueIndex(index)]);
    }

    /// <summary>The candidates found so far, in the order of the pattern's list.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> GetFound() =>
        [.. Enumerable.Range(0, Pattern.Count).Where(IsFound).Select(index => Pattern[index])];

    /// <summary>The candidates found so far, each once, in the order of their bytes.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> GetFoundSorted()
    {
        ReadOnlyMemory<byte>?[] sorted = new ReadOnlyMemory<byte>?[_found.Length];
        for (int i = 0; i < Pattern.Count; i++)
        {
            if (IsFound(i))
            {
                // The pattern numbers its distinct strings in the order of their bytes.
                sorted[Pattern.UniqueIndex(i)] = Pattern[i];
            }
        }

        return [.. sorted.OfType<ReadOnlyMemory<byte>>()];
    }
}
