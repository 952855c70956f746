using Microsoft.AspNetCore.Http;

namespace Tvix.Store.Http;

/// <summary>A NAR that was looked for: the tree that it is made of, or why there is none.</summary>
internal sealed record NarLookup
{
    private NarLookup()
    {
    }

    /// <summary>The tree; <see langword="null"/> when it cannot be served.</summary>
    public NarTree? Tree { get; private init; }

    /// <summary>The status for what cannot be served.</summary>
    public int Status { get; private init; }

    /// <summary>Why it cannot, for people.</summary>
    public string Reason { get; private init; } = "";

    public static NarLookup Found(NarTree tree) => new() { Tree = tree };

    public static NarLookup Missing(string reason) => new() { Status = StatusCodes.Status404NotFound, Reason = reason };

    public static NarLookup Bad(string reason) => new() { Status = StatusCodes.Status400BadRequest, Reason = reason };
}
