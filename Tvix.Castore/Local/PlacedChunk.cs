using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>One of many chunks to read. Sorts in the order in which they lie on disk.</summary>
/// <param name="Digest">The chunk.</param>
/// <param name="Location">Where its record lies.</param>
/// <param name="Index">Where the caller wants it.</param>
internal readonly record struct PlacedChunk(B3Digest Digest, RecordLocation Location, int Index) : IComparable<PlacedChunk>
{
    public int CompareTo(PlacedChunk other) =>
        Location.Pack != other.Location.Pack ? Location.Pack.CompareTo(other.Location.Pack) : Location.Offset.CompareTo(other.Location.Offset);
}
