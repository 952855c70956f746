namespace Tvix.Castore.Local;

/// <summary>What a record of a pack file holds. The numbers are part of the format.</summary>
internal enum RecordKind : byte
{
    /// <summary>A chunk, or a blob that is one chunk: the bytes themselves.</summary>
    Chunk = 1,

    /// <summary>A blob of several chunks: the list of them.</summary>
    Blob = 2,

    /// <summary>A directory in its canonical encoding.</summary>
    Directory = 3,

    /// <summary>A named value: whatever the layer above keeps under a key of its own. The latest record of a key counts.</summary>
    Named = 4,
}
