using System.Runtime.CompilerServices;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Pages;

/// <summary>The store paths of one page, out of a listing that comes in any order. Keeps those of the page only, however many there are.</summary>
internal sealed class StorePathSelection(IReadOnlyList<string> words, StorePath? after, StorePath? before, int capacity)
{
    private readonly SortedSet<StorePathRow> _rows = [];

    /// <summary>What is on the page, in order.</summary>
    public IReadOnlyCollection<StorePathRow> Rows => _rows;

    /// <summary>How many store paths were looked at.</summary>
    public int Seen { get; private set; }

    /// <summary>How many of them were wanted.</summary>
    public int Wanted { get; private set; }

    /// <summary>Whether there are some in front of those of the page.</summary>
    public bool HasPrevious { get; private set; }

    /// <summary>Whether there are some behind those of the page.</summary>
    public bool HasNext { get; private set; }

    /// <summary>Whether there may be store paths that were not looked at.</summary>
    public bool IsCut { get; private set; }

    /// <summary>Looks at a listing until its end, a number or a time.</summary>
    public async Task ReadAsync(IAsyncEnumerable<PathInfo> listing, int maxSeen, TimeSpan maxTime, TimeProvider time, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        ConfiguredCancelableAsyncEnumerable<PathInfo> all = listing.WithCancellation(cancellationToken).ConfigureAwait(false);
        await foreach (PathInfo info in all)
        {
            if (Seen == maxSeen || time.GetElapsedTime(start) > maxTime)
            {
                IsCut = true;
                break;
            }

            Add(info);
        }
    }

    private void Add(PathInfo info)
    {
        Seen++;
        string text = words.Count == 0 ? "" : info.StorePath.ToString();
        if (words.Any(word => !text.Contains(word, StringComparison.OrdinalIgnoreCase)))
        {
            return;
        }

        Wanted++;
        if (after is not null && StorePathRow.Compare(info.StorePath, after) <= 0)
        {
            HasPrevious = true;
            return;
        }

        if (before is not null && StorePathRow.Compare(info.StorePath, before) >= 0)
        {
            HasNext = true;
            return;
        }

        _rows.Add(new StorePathRow(info.StorePath, info.NarSize, info.References.Count));
        if (_rows.Count > capacity)
        {
            // On a page that ends at a known one, the nearest to that are wanted.
            _rows.Remove(before is null ? _rows.Max! : _rows.Min!);
            HasNext |= before is null;
            HasPrevious |= before is not null;
        }
    }
}
