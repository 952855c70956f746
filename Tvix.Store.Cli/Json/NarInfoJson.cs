using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Cli.Json;

/// <summary>A narinfo, with its own keys in camel case; paths are absolute.</summary>
internal sealed record NarInfoJson
{
    public required string StorePath { get; init; }

    public required string Url { get; init; }

    public required string Compression { get; init; }

    public required string NarHash { get; init; }

    public required ulong NarSize { get; init; }

    public required string[] References { get; init; }

    public string? Deriver { get; init; }

    public required string[] Signatures { get; init; }

    public string? Ca { get; init; }

    public static NarInfoJson From(NarInfo info, StoreDirectory directory) => new()
    {
        StorePath = info.StorePath.ToAbsolutePath(directory),
        Url = info.Url,
        Compression = info.Compression,
        NarHash = info.NarHash.ToString(),
        NarSize = info.NarSize,
        References = [.. info.References.Select(reference => reference.ToAbsolutePath(directory))],
        Deriver = info.Deriver is { } deriver ? deriver.ToAbsolutePath(directory) + ".drv" : null,
        Signatures = [.. info.Signatures.Select(signature => signature.ToString())],
        Ca = info.ContentAddress?.ToString(),
    };
}
