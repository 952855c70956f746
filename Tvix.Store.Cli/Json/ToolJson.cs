using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Tvix.Store.Cli.Json;

/// <summary>The JSON that the tool writes.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PathInfoJson))]
[JsonSerializable(typeof(NarInfoJson))]
[JsonSerializable(typeof(StatisticsJson))]
[JsonSerializable(typeof(FindingJson))]
[JsonSerializable(typeof(RebuildJson))]
[JsonSerializable(typeof(CopyJson))]
[JsonSerializable(typeof(PushJson))]
[JsonSerializable(typeof(KeySignJson))]
[JsonSerializable(typeof(TrustJson))]
internal sealed partial class ToolJson : JsonSerializerContext
{
    /// <summary>The context that leaves plus signs as they are: the output is JSON, and never part of a web page.</summary>
    public static ToolJson Plain { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    /// <summary>One value as text, on one line.</summary>
    public static string Format<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.Serialize(value, type);
}
