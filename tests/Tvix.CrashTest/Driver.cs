using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Tvix.Castore;
using Tvix.Castore.Local;

namespace Tvix.CrashTest;

/// <summary>Kills writers at random moments, and checks that all they acknowledged is there, whole, and that the store is sound.</summary>
internal static class Driver
{
    private const int VerifyEvery = 10;

    public static async Task<int> RunAsync(string folder, int rounds, int seed)
    {
        Random random = new(seed);
        string path = Path.Combine(folder, "store");
        List<(string StorePath, string NarHash)> acknowledged = [];
        long total = 0;
        RecoveryCounter recoveries = new();
        Stopwatch clock = Stopwatch.StartNew();
        for (int round = 1; round <= rounds; round++)
        {
            int before = acknowledged.Count;
            await WriteAndKillAsync(path, unchecked((seed * 100_003) + round), random, acknowledged);
            total += acknowledged.Count - before;
            bool thorough = round % VerifyEvery == 0 || round == rounds;
            await using (TestStore store = new(path, recoveries))
            {
                store.Local.Open();
                foreach ((string storePath, string narHash) in thorough ? acknowledged : acknowledged.Skip(before))
                {
                    if (await store.FindFaultAsync(storePath, narHash) is { } fault)
                    {
                        return Fail(round, fault);
                    }
                }

                if (thorough)
                {
                    await foreach (StoreDamage damage in store.Local.VerifyAsync())
                    {
                        return Fail(round, damage.Message);
                    }
                }
            }

            if (thorough)
            {
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"round {round}: {total} acknowledged trees, all there; the store is sound; {clock.Elapsed.TotalSeconds:f0} s"));
                Directory.Delete(path, recursive: true);
                acknowledged.Clear();
            }

            foreach (string source in Directory.EnumerateDirectories(folder, "*.source-*"))
            {
                Directory.Delete(source, recursive: true);
            }
        }

        Console.WriteLine($"{rounds} rounds, {total} acknowledged trees, nothing lost; after {recoveries.Count} kills there were records to recover.");
        return 0;
    }

    private static int Fail(int round, string message)
    {
        Console.WriteLine($"round {round}: FAILED: {message}");
        return 1;
    }

    private static async Task WriteAndKillAsync(string path, int seed, Random random, List<(string StorePath, string NarHash)> acknowledged)
    {
        using Process writer = Process.Start(new ProcessStartInfo(Environment.ProcessPath!)
        {
            ArgumentList = { "write", path, seed.ToString(CultureInfo.InvariantCulture) },
            RedirectStandardOutput = true,
        })!;
        bool killed = false;
        int moment = random.Next(120);
        while (await writer.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Split(' ') is [string storePath, { Length: 64 } narHash])
            {
                acknowledged.Add((storePath, narHash));
            }

            if (!killed)
            {
                // The moment is random on purpose; nothing depends on what happens until then.
                killed = true;
                await Task.Delay(moment);
                writer.Kill();
            }
        }

        await writer.WaitForExitAsync();
    }

    /// <summary>Counts how often the store found something to recover.</summary>
    private sealed class RecoveryCounter : ILogger<LocalStore>
    {
        public int Count { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Name == "RecoveredRecords")
            {
                Count++;
            }
        }
    }
}
