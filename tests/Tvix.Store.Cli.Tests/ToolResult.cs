using System.Text;
using System.Text.Json;

namespace Tvix.Store.Cli.Tests;

/// <summary>What a run of the tool gave.</summary>
public sealed record ToolResult(int Code, byte[] Output, string Error)
{
    public string Text => Encoding.UTF8.GetString(Output);

    public string[] Lines => Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;
}
