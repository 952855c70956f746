using System.Text;

namespace Tvix.Store.Cli;

/// <summary>What the tool is connected to.</summary>
/// <param name="OpenInput">Opens standard input.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
/// <param name="OutputIsTerminal">Whether a person sees the output as it is.</param>
/// <param name="ErrorIsTerminal">Whether progress can be shown.</param>
/// <param name="GetVariable">The environment variables; <see langword="null"/> for those that are not set.</param>
internal sealed record ToolEnvironment(
    Func<Stream> OpenInput, Stream Output, TextWriter Error, bool OutputIsTerminal, bool ErrorIsTerminal, Func<string, string?> GetVariable)
{
    /// <summary>Opens standard output for text, which comes out when the writer is disposed or flushed.</summary>
    public StreamWriter OpenText() =>
        new(Output, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 64 << 10, leaveOpen: true);

    /// <summary>Writes a line of text at once.</summary>
    public async Task WriteLineAsync(string line)
    {
        await Output.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"));
    }
}
