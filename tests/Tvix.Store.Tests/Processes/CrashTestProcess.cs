using System.Diagnostics;
using NUnit.Framework;

namespace Tvix.Store.Tests.Processes;

/// <summary>The program of tests/Tvix.CrashTest, as a process of its own.</summary>
internal static class CrashTestProcess
{
    /// <summary>Beside the output of these tests: artifacts/bin/PROJECT/CONFIGURATION.</summary>
    private static string Program
    {
        get
        {
            DirectoryInfo output = new(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
            return Path.Combine(output.Parent!.Parent!.FullName, "Tvix.CrashTest", output.Name, "Tvix.CrashTest");
        }
    }

    public static Process Start(params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(Program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };

        // By default the collector lets as much garbage gather as fits into the processor's cache, which may be hundreds of megabytes. 8 MiB, in hexadecimal:
        start.Environment["DOTNET_GCgen0size"] = "800000";
        return Process.Start(start)!;
    }

    /// <summary>Runs to the end and returns the lines; any other exit code than 0 fails the test.</summary>
    public static async Task<string[]> RunAsync(params IEnumerable<string> arguments)
    {
        using Process process = Start(arguments);
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero, output);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
