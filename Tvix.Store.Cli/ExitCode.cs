namespace Tvix.Store.Cli;

/// <summary>What the process ends with.</summary>
internal static class ExitCode
{
    public const int Success = 0;
    public const int Failure = 1;
    public const int BadCommandLine = 2;
    public const int NotFound = 3;
    public const int Damaged = 4;

    // As a shell reports processes that a signal ended: 128 and the signal.
    public const int Interrupted = 130;
    public const int BrokenPipe = 141;
    public const int Terminated = 143;
}
