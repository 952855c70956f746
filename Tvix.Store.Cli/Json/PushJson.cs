using Tvix.Store.Cli.Push;

namespace Tvix.Store.Cli.Json;

/// <summary>What a push did.</summary>
internal sealed record PushJson
{
    public required int PathsPushed { get; init; }

    public required int PathsAlreadyThere { get; init; }

    public required int PathsSigned { get; init; }

    public required long BytesRead { get; init; }

    public static PushJson From(PushResult result) => new()
    {
        PathsPushed = result.Pushed,
        PathsAlreadyThere = result.AlreadyThere,
        PathsSigned = result.Signed,
        BytesRead = result.BytesRead,
    };
}
