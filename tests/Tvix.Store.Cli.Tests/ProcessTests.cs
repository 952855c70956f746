using System.Diagnostics;
using System.Runtime.InteropServices;
using NUnit.Framework;

namespace Tvix.Store.Cli.Tests;

/// <summary>What only a process has: signals, pipes, its own environment, and other processes.</summary>
[TestFixture]
public sealed partial class ProcessTests : ToolFixture
{
    [Test]
    public async Task Process_Import_TakesTheEnvironmentAndPrintsThePath()
    {
        ToolResult result = await ToolProcess.RunAsync(StoreAddress, "import", MakeTree());
        Assert.That(result.Code, Is.Zero, result.Error);
        Assert.That(result.Text, Is.EqualTo(TreePath + "\n"));
        Assert.That(result.Error, Is.Empty);
    }

    [Test]
    public async Task Process_Version_IsPrinted()
    {
        ToolResult result = await ToolProcess.RunAsync(StoreAddress, "--version");
        Assert.That(result.Text.Trim(), Is.EqualTo(ToolVersion.Text));
        Assert.That(result.Code, Is.Zero);
    }

    [Test]
    public async Task Process_Failure_IsOneLineAndTheExitCode()
    {
        ToolResult result = await ToolProcess.RunAsync(StoreAddress, "import", At("nothing"));
        Assert.That(result.Code, Is.EqualTo(ExitCode.NotFound));
        Assert.That(result.Error, Is.EqualTo($"error: '{At("nothing")}' does not exist.\n"));
    }

    [Test]
    public async Task Process_ReaderGoesAway_EndsQuietly()
    {
        byte[] contents = new byte[8 << 20];
        new Random(1).NextBytes(contents);
        await File.WriteAllBytesAsync(At("large"), contents);
        string path = (await SucceedAsync("import", At("large"))).Lines[0];
        foreach (string[] arguments in new string[][] { ["nar", path], ["nar", At("large")], ["cat", path] })
        {
            using Process process = ToolProcess.Start(StoreAddress, arguments);
            Task<string> error = process.StandardError.ReadToEndAsync();
            byte[] start = new byte[100];
            await process.StandardOutput.BaseStream.ReadExactlyAsync(start);
            process.StandardOutput.Close();
            await process.WaitForExitAsync();
            Assert.That(process.ExitCode, Is.EqualTo(ExitCode.BrokenPipe), arguments[0]);
            Assert.That(await error, Is.Empty, arguments[0]);
        }
    }

    [Test]
    public async Task Process_OutputToAFileAfterOthers_GoesBehindTheirs()
    {
        await SucceedAsync("import", MakeTree());
        string tool = $"dotnet '{Path.Combine(AppContext.BaseDirectory, "tvix-store.dll")}' --store '{StoreAddress}'";
        string script = $"(echo before; {tool} list; {tool} list; echo after) > '{At("out")}'";
        ProcessStartInfo start = new("sh") { ArgumentList = { "-c", script } };
        using Process shell = Process.Start(start)!;
        await shell.WaitForExitAsync();
        Assert.That(File.ReadAllLines(At("out")), Is.EqualTo((string[])["before", TreePath, TreePath, "after"]));
    }

    [TestCase(2, ExitCode.Interrupted)]
    [TestCase(15, ExitCode.Terminated)]
    public async Task Process_SignalDuringAnImport_LeavesTheStoreSound(int signal, int expected)
    {
        await SucceedAsync("import", MakeTree());
        using Process process = ToolProcess.Start(StoreAddress, "import", "--tar", "-", "--name", "unfinished");
        Task<string> error = process.StandardError.ReadToEndAsync();

        // More than pipes hold: when all is written, the import is under way, and waits for the rest.
        byte[] header = new byte[512];
        "unfinished/file"u8.CopyTo(header);
        "0000644\0"u8.CopyTo(header.AsSpan(100));
        "00100000000\0"u8.CopyTo(header.AsSpan(124)); // 16 MiB
        "00000000000\0"u8.CopyTo(header.AsSpan(136));
        header[156] = (byte)'0';
        "ustar\000"u8.CopyTo(header.AsSpan(257));
        header.AsSpan(148, 8).Fill((byte)' ');
        System.Text.Encoding.ASCII.GetBytes(Convert.ToString(header.Sum(b => b), 8).PadLeft(6, '0') + "\0 ").CopyTo(header, 148);
        byte[] contents = new byte[4 << 20];
        new Random(1).NextBytes(contents);
        Stream input = process.StandardInput.BaseStream;
        await input.WriteAsync(header);
        await input.WriteAsync(contents);
        await input.FlushAsync();

        Assert.That(Kill(process.Id, signal), Is.Zero);
        Assert.That(process.WaitForExit(TimeSpan.FromMinutes(2)), Is.True, "the signal was not heeded");
        Assert.That(process.ExitCode, Is.EqualTo(expected), await error);
        Assert.That(await error, Is.Empty);
        Assert.That((await SucceedAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
        Assert.That((await SucceedAsync("list")).Text, Is.EqualTo(TreePath + "\n"));
    }

    [Test]
    public async Task Process_TwoImportsAtATime_ShareTheStore()
    {
        foreach (string tree in new[] { "one", "two" })
        {
            Directory.CreateDirectory(At(tree));
            for (int i = 0; i < 300; i++)
            {
                File.WriteAllText(At($"{tree}/common-{i}"), $"common {i}");
                File.WriteAllText(At($"{tree}/own-{i}"), $"{tree} {i}");
            }
        }

        ToolResult[] results = await Task.WhenAll(
            ToolProcess.RunAsync(StoreAddress, "import", At("one")), ToolProcess.RunAsync(StoreAddress, "import", At("two")));
        Assert.That(results.Select(result => result.Code), Is.All.Zero, string.Concat(results.Select(result => result.Error)));
        Assert.That((await SucceedAsync("list")).Lines, Is.EquivalentTo(results.SelectMany(result => result.Lines)));
        Assert.That((await SucceedAsync("verify")).Text, Is.EqualTo("The store is sound.\n"));
        foreach (ToolResult result in results)
        {
            string tree = result.Lines[0][44..];
            Assert.That((await SucceedAsync("nar", result.Lines[0])).Output, Is.EqualTo((await SucceedAsync("nar", At(tree))).Output));
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
