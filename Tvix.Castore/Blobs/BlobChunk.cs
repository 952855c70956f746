using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>A piece of a blob: a contiguous slice that is a blob itself.</summary>
/// <param name="Digest">BLAKE3 of the slice.</param>
/// <param name="Size">The length of the slice in bytes.</param>
public readonly record struct BlobChunk(B3Digest Digest, ulong Size);
