namespace Tvix.Castore.Local;

/// <summary>How the payload of a record is stored. The numbers are part of the format.</summary>
internal enum RecordCodec : byte
{
    /// <summary>As it is.</summary>
    Raw = 0,

    /// <summary>As exactly one zstd frame.</summary>
    Zstd = 1,
}
