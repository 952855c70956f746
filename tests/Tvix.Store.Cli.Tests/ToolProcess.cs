using System.Diagnostics;

namespace Tvix.Store.Cli.Tests;

/// <summary>The tool as a process.</summary>
internal static class ToolProcess
{
    public static Process Start(string storeAddress, params string[] arguments)
    {
        // A process started in the background of a script inherits that SIGINT is ignored; env takes that back.
        ProcessStartInfo start = new("env")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.ArgumentList.Add("--default-signal=INT,TERM");
        start.ArgumentList.Add("dotnet");
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "tvix-store.dll"));
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["TVIX_STORE"] = storeAddress;
        return Process.Start(start)!;
    }

    /// <summary>Runs to the end.</summary>
    public static async Task<ToolResult> RunAsync(string storeAddress, params string[] arguments)
    {
        using Process process = Start(storeAddress, arguments);
        process.StandardInput.Close();
        return await FinishAsync(process);
    }

    /// <summary>Waits for the end, taking everything that comes.</summary>
    public static async Task<ToolResult> FinishAsync(Process process)
    {
        using MemoryStream output = new();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.BaseStream.CopyToAsync(output);
        await process.WaitForExitAsync();
        return new ToolResult(process.ExitCode, output.ToArray(), await error);
    }
}
