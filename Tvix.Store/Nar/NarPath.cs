using System.Text;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>
/// Where in an archive one stands: in each open directory, the name of the latest entry. The names lie one after the other in one array, so
/// that keeping track allocates nothing per entry.
/// </summary>
internal sealed class NarPath
{
    private const int MaxShownLevels = 64;

    private byte[] _bytes = new byte[PathComponent.MaxLength];
    private (int Start, int Length)[] _levels = new (int, int)[8];

    /// <summary>The number of open directories.</summary>
    public int Depth { get; private set; }

    /// <summary>
    /// The latest name at a level, from 0 for the entries of the root; no bytes when there is none, as for level -1, the root itself.
    /// </summary>
    public ReadOnlySpan<byte> GetName(int level) => level < 0 ? default : _bytes.AsSpan(_levels[level].Start, _levels[level].Length);

    /// <summary>How the latest entry of the innermost directory compares with a name. Without an entry it comes first.</summary>
    public int CompareLatest(ReadOnlySpan<byte> name) => GetName(Depth - 1).SequenceCompareTo(name);

    /// <summary>Makes a name the latest of the innermost directory.</summary>
    public void SetName(ReadOnlySpan<byte> name)
    {
        ref (int Start, int Length) level = ref _levels[Depth - 1];
        level.Length = name.Length;
        int end = level.Start + level.Length;
        if (_bytes.Length < end)
        {
            Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, end));
        }

        name.CopyTo(_bytes.AsSpan(level.Start));
    }

    /// <summary>Opens a directory: the root, or the latest entry.</summary>
    public void Enter()
    {
        if (Depth == _levels.Length)
        {
            Array.Resize(ref _levels, 2 * Depth);
        }

        int start = Depth > 0 ? _levels[Depth - 1].Start + _levels[Depth - 1].Length : 0;
        _levels[Depth++] = (start, 0);
    }

    /// <summary>Closes the innermost directory.</summary>
    public void Leave() => Depth--;

    /// <summary>The names joined by slashes, for messages; empty at the root.</summary>
    public override string ToString() => Show(Depth);

    /// <summary>The names of the open directories joined by slashes, without the innermost latest entry.</summary>
    public string ParentToString() => Show(Math.Max(Depth - 1, 0));

    private string Show(int levels)
    {
        StringBuilder path = new();
        for (int level = 0; level < Math.Min(levels, MaxShownLevels); level++)
        {
            if (!GetName(level).IsEmpty)
            {
                path.Append(path.Length > 0 ? "/" : "").Append(ByteText.Show(GetName(level)));
            }
        }

        return levels > MaxShownLevels ? path.Append("/…").ToString() : path.ToString();
    }
}
