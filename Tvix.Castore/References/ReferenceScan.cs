namespace Tvix.Castore.References;

/// <summary>The scan of one file that comes in pieces of any size. A candidate that spans pieces is found; none spans two files.</summary>
/// <remarks>
/// Made by <see cref="ReferenceScanner.StartFile"/>. Used by one caller at a time, beside other scans of the same scanner.
/// </remarks>
public sealed class ReferenceScan
{
    private readonly ReferenceSearcher.Progress _progress;
    private readonly bool[] _found;

    internal ReferenceScan(ReferenceSearcher.Progress progress, bool[] found)
    {
        _progress = progress;
        _found = found;
    }

    /// <summary>Looks at the next piece of the file.</summary>
    public void Append(ReadOnlySpan<byte> piece) => _progress.Append(piece, _found);

    /// <summary>Ends the file; the next piece is the start of another one.</summary>
    public void NextFile() => _progress.Reset();
}
