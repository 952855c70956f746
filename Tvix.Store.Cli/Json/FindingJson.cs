using Tvix.Store.Nix;

namespace Tvix.Store.Cli.Json;

/// <summary>Something that a verification found.</summary>
internal sealed record FindingJson
{
    public required string Message { get; init; }

    /// <summary>The kind of the damaged object: chunk, blob, directory, namedValue or file; absent for a store path that suffers.</summary>
    public string? Kind { get; init; }

    public string? Digest { get; init; }

    /// <summary>The store path that cannot be read as a whole; absent for a damaged object.</summary>
    public string? Path { get; init; }

    public static FindingJson From(StoreFinding finding, StoreDirectory directory) => new()
    {
        Message = finding.Message,
        Kind = finding.Damage is { } damage ? char.ToLowerInvariant(damage.Kind.ToString()[0]) + damage.Kind.ToString()[1..] : null,
        Digest = finding.Damage?.Digest?.ToString(),
        Path = finding.StorePath?.ToAbsolutePath(directory),
    };
}
