using Tvix.Store.Copy;

namespace Tvix.Store.Cli.Json;

/// <summary>What a copy did.</summary>
internal sealed record CopyJson
{
    public required long PathsCopied { get; init; }

    public required long PathsAlreadyThere { get; init; }

    public required long PathsSigned { get; init; }

    public required long Directories { get; init; }

    public required long Blobs { get; init; }

    public required long BytesMoved { get; init; }

    public required long BytesSaved { get; init; }

    public static CopyJson From(CopyResult result) => new()
    {
        PathsCopied = result.CopiedPaths.Count,
        PathsAlreadyThere = result.PathsAlreadyThere,
        PathsSigned = result.PathsSigned,
        Directories = result.Directories,
        Blobs = result.Blobs,
        BytesMoved = result.BytesCopied,
        BytesSaved = result.BytesSaved,
    };
}
