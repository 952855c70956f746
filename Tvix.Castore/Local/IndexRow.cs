using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>What the index keeps about one record.</summary>
internal readonly record struct IndexRow(RecordKind Kind, B3Digest Key, RecordLocation Location, long Time);
