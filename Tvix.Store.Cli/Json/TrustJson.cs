using Tvix.Store.Cli.Keys;
using Tvix.Store.Nix;

namespace Tvix.Store.Cli.Json;

/// <summary>Whether a store path is trusted, and why.</summary>
internal sealed record TrustJson
{
    public required string Path { get; init; }

    public required bool Trusted { get; init; }

    /// <summary>The name of a trusted key that signed it; absent when there is none.</summary>
    public string? SignedBy { get; init; }

    /// <summary>The content address that it is trusted for; absent when it is trusted for a signature, or not at all.</summary>
    public string? Ca { get; init; }

    /// <summary>Why it is not trusted; absent when it is.</summary>
    public string? Message { get; init; }

    public static TrustJson From(TrustFinding finding, StoreDirectory directory) => new()
    {
        Path = finding.Info.StorePath.ToAbsolutePath(directory),
        Trusted = finding.Fault is null,
        SignedBy = finding.SignedBy,
        Ca = finding.IsContentAddressed ? finding.Info.ContentAddress?.ToString() : null,
        Message = finding.Fault,
    };
}
