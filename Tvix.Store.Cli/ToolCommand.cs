using System.CommandLine;

namespace Tvix.Store.Cli;

/// <summary>A command with examples.</summary>
internal sealed class ToolCommand(string name, string description, params string[] examples) : Command(name, description)
{
    public IReadOnlyList<string> Examples { get; } = examples;
}
