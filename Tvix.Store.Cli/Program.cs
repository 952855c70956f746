using System.Runtime.InteropServices;
using Tvix.Store.Cli;

// What scripts ask most often needs nothing of the rest.
if (args is ["--version"])
{
    Console.Out.WriteLine(ToolVersion.Text);
    return ExitCode.Success;
}

using CancellationTokenSource cancellation = new();
int signalCode = ExitCode.Interrupted;

// The first signal ends the work in order, the second one the process.
void OnSignal(PosixSignalContext context)
{
    if (!cancellation.IsCancellationRequested)
    {
        context.Cancel = true;
        signalCode = context.Signal == PosixSignal.SIGTERM ? ExitCode.Terminated : ExitCode.Interrupted;
        cancellation.Cancel();
    }
}

using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);

await using Stream output = StandardOutput.Open();
ToolEnvironment environment = new(
    () => new StandardInput(Console.OpenStandardInput()),
    output,
    Console.Error,
    OutputIsTerminal: !Console.IsOutputRedirected,
    ErrorIsTerminal: !Console.IsErrorRedirected,
    Environment.GetEnvironmentVariable);
int code = await CommandLine.RunAsync(args, environment, cancellation.Token);
return code == ExitCode.Interrupted ? signalCode : code;
