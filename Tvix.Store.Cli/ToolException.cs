namespace Tvix.Store.Cli;

/// <summary>Ends the tool with a message and an exit code.</summary>
internal sealed class ToolException(int exitCode, string message, Exception? innerException = null) : Exception(message, innerException)
{
    public int ExitCode { get; } = exitCode;

    public static ToolException BadCommandLine(string message, Exception? innerException = null) =>
        new(Cli.ExitCode.BadCommandLine, message, innerException);

    public static ToolException NotFound(string message) => new(Cli.ExitCode.NotFound, message);

    public static ToolException Failure(string message) => new(Cli.ExitCode.Failure, message);
}
