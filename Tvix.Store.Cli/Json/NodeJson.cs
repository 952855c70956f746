using Tvix.Castore.Model;

namespace Tvix.Store.Cli.Json;

/// <summary>The root of a tree.</summary>
internal sealed record NodeJson
{
    public required string Type { get; init; }

    public string? Digest { get; init; }

    public ulong? Size { get; init; }

    public bool? Executable { get; init; }

    /// <summary>A symlink's target; bytes that are not UTF-8 are escaped for people.</summary>
    public string? Target { get; init; }

    public static NodeJson From(Node node) => node switch
    {
        Node.Directory directory => new NodeJson { Type = "directory", Digest = directory.Digest.ToString(), Size = directory.Size },
        Node.File file => new NodeJson
        {
            Type = "regular",
            Digest = file.Digest.ToString(),
            Size = file.Size,
            Executable = file.Executable,
        },
        Node.Symlink symlink => new NodeJson { Type = "symlink", Target = symlink.Target.ToString() },
        _ => throw new ArgumentException("There is no such kind of node.", nameof(node)),
    };
}
