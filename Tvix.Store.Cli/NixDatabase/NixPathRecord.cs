using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.NixDatabase;

/// <summary>What Nix knows of a valid store path.</summary>
internal sealed record NixPathRecord
{
    public required StorePath StorePath { get; init; }

    /// <summary>The hash of the NAR.</summary>
    public required Sha256Digest NarHash { get; init; }

    /// <summary>The length of the NAR; <see langword="null"/> when Nix does not know it.</summary>
    public required ulong? NarSize { get; init; }

    /// <summary>What it refers to, itself included, in the order of the names: that is what Nix signs.</summary>
    public required IReadOnlyList<StorePath> References { get; init; }

    /// <summary>The derivation, without <c>.drv</c>; <see langword="null"/> when that is not known.</summary>
    public required StorePath? Deriver { get; init; }

    public required IReadOnlyList<NarSignature> Signatures { get; init; }

    public required ContentAddress? ContentAddress { get; init; }

    /// <summary>The path info, for contents that are in a store.</summary>
    public PathInfo ToPathInfo(Node root, ulong narSize) => new()
    {
        StorePath = StorePath,
        Node = root,
        NarSize = narSize,
        NarHash = NarHash,
        References = References,
        Deriver = Deriver,
        Signatures = Signatures,
        ContentAddress = ContentAddress,
    };
}
