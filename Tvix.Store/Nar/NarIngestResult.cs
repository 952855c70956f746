using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.Nar;

/// <summary>What came out of taking in a NAR.</summary>
/// <param name="Root">The root of the tree, whose blobs and directories are stored.</param>
/// <param name="NarSize">The length of the NAR in bytes.</param>
/// <param name="NarSha256">The SHA-256 of the NAR.</param>
public sealed record NarIngestResult(Node Root, ulong NarSize, Sha256Digest NarSha256);
