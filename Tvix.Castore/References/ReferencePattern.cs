using System.Text;

namespace Tvix.Castore.References;

/// <summary>The byte strings ("candidates") to look for in contents, prepared for looking for all of them at once.</summary>
/// <remarks>
/// Immutable and thread-safe; to be shared between scanners. Fastest when every candidate is the 32 characters of a store path's hash, in
/// which case the number of candidates hardly matters. Otherwise memory grows with the total length of the candidates, by some 50 bytes per
/// byte. Spec: castore §7.1.
/// </remarks>
public sealed class ReferencePattern
{
    /// <summary>The least length of a candidate, in bytes.</summary>
    public const int MinCandidateLength = 2;

    /// <summary>The greatest length of a candidate, in bytes.</summary>
    public const int MaxCandidateLength = 65_535;

    /// <summary>The most candidates of a pattern.</summary>
    public const int MaxCandidates = 65_535;

    /// <summary>The greatest length of all candidates together, in bytes: 16 MiB.</summary>
    public const int MaxTotalLength = 1 << 24;

    private readonly byte[][] _candidates;

    // The same bytes may be listed twice; the searchers know each string once. Maps an index of the list to one of theirs.
    private readonly int[] _unique;

    /// <summary>Makes a pattern.</summary>
    /// <param name="candidates">The candidates, whose bytes are copied. Their order is kept; the same bytes may occur twice.</param>
    /// <exception cref="ArgumentException">
    /// A candidate is shorter than <see cref="MinCandidateLength"/> or longer than <see cref="MaxCandidateLength"/>, there are more than
    /// <see cref="MaxCandidates"/>, or they are longer than <see cref="MaxTotalLength"/> together.
    /// </exception>
    public ReferencePattern(IEnumerable<ReadOnlyMemory<byte>> candidates)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        List<byte[]> list = [];
        long total = 0;
        foreach (ReadOnlyMemory<byte> candidate in candidates)
        {
            if (candidate.Length is < MinCandidateLength or > MaxCandidateLength)
            {
                throw new ArgumentException(
                    $"Candidate {list.Count} has {candidate.Length} bytes; {MinCandidateLength} to {MaxCandidateLength} are allowed.",
                    nameof(candidates));
            }

            total += candidate.Length;
            if (list.Count == MaxCandidates || total > MaxTotalLength)
            {
                throw new ArgumentException(
                    $"There are more than {MaxCandidates} candidates, or they have more than {MaxTotalLength} bytes together.",
                    nameof(candidates));
            }

            list.Add(candidate.ToArray());
        }

        _candidates = [.. list];
        _unique = new int[_candidates.Length];
        List<byte[]> unique = Deduplicate();
        Searcher = unique.Count > 0 && unique.TrueForAll(HashSearcher.Accepts) ? new HashSearcher(unique) : new TrieSearcher(unique);
        UniqueCount = unique.Count;
    }

    /// <summary>The candidates in the order given.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Candidates => _candidates.Select(candidate => new ReadOnlyMemory<byte>(candidate));

    /// <summary>How many candidates there are.</summary>
    public int Count => _candidates.Length;

    /// <summary>The length of the longest candidate in bytes; 0 when there is none.</summary>
    public int LongestLength => _candidates.Length == 0 ? 0 : _candidates.Max(candidate => candidate.Length);

    /// <summary>The candidate at a place of the list.</summary>
    public ReadOnlyMemory<byte> this[int index] => _candidates[index];

    internal ReferenceSearcher Searcher { get; }

    internal int UniqueCount { get; }

    /// <summary>Makes a pattern from text, encoded as UTF-8: the hash parts of store paths, say.</summary>
    /// <exception cref="ArgumentException">As for the constructor.</exception>
    public static ReferencePattern FromText(IEnumerable<string> candidates)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        return new ReferencePattern(candidates.Select(candidate => new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(candidate))));
    }

    internal int UniqueIndex(int index) => _unique[index];

    private List<byte[]> Deduplicate()
    {
        List<byte[]> unique = [];
        int[] order = [.. Enumerable.Range(0, _candidates.Length)];
        Array.Sort(order, (x, y) => _candidates[x].AsSpan().SequenceCompareTo(_candidates[y]));
        foreach (int index in order)
        {
            if (unique.Count == 0 || !unique[^1].AsSpan().SequenceEqual(_candidates[index]))
            {
                unique.Add(_candidates[index]);
            }

            _unique[index] = unique.Count - 1;
        }

        return unique;
    }
}
