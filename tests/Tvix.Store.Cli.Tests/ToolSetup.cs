namespace Tvix.Store.Cli.Tests;

/// <summary>What the tool is connected to in a test.</summary>
internal sealed class ToolSetup
{
    public byte[] Input { get; init; } = [];

    public Stream? Output { get; init; }

    public bool OutputIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    public Dictionary<string, string> Variables { get; init; } = [];

    public CancellationToken CancellationToken { get; init; }
}
