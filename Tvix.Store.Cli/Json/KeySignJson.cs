namespace Tvix.Store.Cli.Json;

/// <summary>What signing did.</summary>
internal sealed record KeySignJson
{
    public required int PathsSigned { get; init; }

    public required int PathsAlreadySigned { get; init; }

    public required int SignaturesAdded { get; init; }
}
