using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Json;

/// <summary>A path info, with the keys that <c>nix path-info --json</c> has, and the root of the contents.</summary>
internal sealed record PathInfoJson
{
    public required string Path { get; init; }

    public required string NarHash { get; init; }

    public required ulong NarSize { get; init; }

    public required string[] References { get; init; }

    public string? Deriver { get; init; }

    public required string[] Signatures { get; init; }

    public string? Ca { get; init; }

    public required NodeJson Node { get; init; }

    public static PathInfoJson From(PathInfo info, StoreDirectory directory) => new()
    {
        Path = info.StorePath.ToAbsolutePath(directory),
        NarHash = info.NarHash.ToString(),
        NarSize = info.NarSize,
        References = [.. info.References.Select(reference => reference.ToAbsolutePath(directory))],
        Deriver = info.Deriver is { } deriver ? deriver.ToAbsolutePath(directory) + ".drv" : null,
        Signatures = [.. info.Signatures.Select(signature => signature.ToString())],
        Ca = info.ContentAddress?.ToString(),
        Node = NodeJson.From(info.Node),
    };
}
