using Tvix.Store.Nix;

namespace Tvix.Store.Nar;

/// <summary>What path infos record of a NAR.</summary>
/// <param name="Size">The length of the NAR in bytes, a multiple of 8.</param>
/// <param name="Sha256">The SHA-256 of the NAR.</param>
public readonly record struct NarDigest(ulong Size, Sha256Digest Sha256);
