using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Tvix.Store;
using Tvix.Store.Grpc.Client;

namespace Tvix.LoadTest;

/// <summary>Puts a daemon under load twice, to warm up and in earnest, and compares what it takes when it is idle after each.</summary>
internal sealed class Driver(string tool, string folder, TimeSpan duration, int seed)
{
    private const int Clients = 64;

    // What may be more after the load than after the warm-up, and at any time. The margins allow for noise, and for what grows with the store: its index in memory, and its files.
    private const long MoreMemory = 96L << 20;
    private const long MostMemory = 768L << 20;
    private const int MoreThreads = 16;
    private const int MoreFiles = 2 * Clients; // a connection to the index, which is two handles, for each call that reads it at the same time
    private const int MoreHandles = 4;

    /// <summary>How long the daemon may take to find that a client is gone who did not say so: it asks after 60 s, and waits 20 s for the answer.</summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(90);

    private readonly Tally _tally = new();
    private bool _failed;

    public async Task<int> RunAsync()
    {
        string path = Path.Combine(folder, "store");
        using (Daemon daemon = await Daemon.StartAsync(tool, path, folder))
        {
            ProcessSample fresh = daemon.Sample();
            Console.WriteLine($"{Clients} clients, seed {seed}; at the start: {fresh}");
            await LoadAsync(daemon, TimeSpan.FromSeconds(Math.Max(5, duration.TotalSeconds / 4)), 0);
            ProcessSample warm = await SettleAsync(daemon, fresh, fresh.Resident + MoreMemory);
            Console.WriteLine($"after the warm-up: {warm}");
            Stopwatch clock = Stopwatch.StartNew();
            (long written, long read, int operations) = (_tally.BytesWritten, _tally.BytesRead, _tally.Operations.Sum(o => o.Value));
            await LoadAsync(daemon, duration, 1);
            double seconds = clock.Elapsed.TotalSeconds;
            Console.WriteLine($"right after the load: {daemon.Sample()}");
            ProcessSample after = await SettleAsync(daemon, fresh, warm.Resident);
            Console.WriteLine($"after the load: {after}");
            operations = _tally.Operations.Sum(o => o.Value) - operations;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{operations} operations in {seconds:f0} s, {(_tally.BytesWritten - written) >> 20} MB written, {(_tally.BytesRead - read) >> 20} MB read"));
            Print("completed", _tally.Operations);
            Print("broken off", _tally.BrokenOff);
            Print("errors", _tally.Errors);

            Check("there was no error that no client caused", !_tally.Errors.Any());
            Check($"memory is back: {after.Resident >> 20} MB, {warm.Resident >> 20} MB after the warm-up, {MoreMemory >> 20} MB more allowed", after.Resident <= warm.Resident + MoreMemory);
            Check($"memory was never more than {MostMemory >> 20} MB: {after.Peak >> 20} MB", after.Peak <= MostMemory);
            Check($"sockets are closed: {after.Sockets}, {fresh.Sockets} at the start", after.Sockets <= fresh.Sockets);
            if (after.Sockets > fresh.Sockets)
            {
                Console.WriteLine(string.Join('\n', daemon.DescribeSockets().Select(line => "       " + line)));
            }

            int files = Directory.GetFiles(path, "*", SearchOption.AllDirectories).Length;
            Check($"files of the store are not opened without end: {after.StoreFiles}, for {files} files", after.StoreFiles <= files + MoreFiles);
            Check($"other handles are closed: {after.Others}, {warm.Others} after the warm-up, {MoreHandles} more allowed", after.Others <= warm.Others + MoreHandles);
            Check($"threads: {after.Threads}, {warm.Threads} after the warm-up, {MoreThreads} more allowed", after.Threads <= warm.Threads + MoreThreads);
            await VerifyAsync(daemon);
            Check("the daemon ends in order", await daemon.StopAsync() == 0);
            List<string> errors = [.. daemon.Log.Where(line => line.Contains(" fail: ", StringComparison.Ordinal) || line.Contains(" crit: ", StringComparison.Ordinal))];
            Check($"the daemon logged no error: {errors.FirstOrDefault() ?? "none"}", errors.Count == 0);
            Console.WriteLine($"      and {daemon.Log.Count - errors.Count} warnings: {daemon.Log.FirstOrDefault() ?? "none"}");
        }

        using Process verify = Process.Start(tool, ["--store", "local:" + path, "verify"]);
        await verify.WaitForExitAsync();
        Check("the store is sound", verify.ExitCode == 0);
        return _failed ? 1 : 0;
    }

    private async Task LoadAsync(Daemon daemon, TimeSpan time, int phase)
    {
        using CancellationTokenSource stop = new(time);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(i => Task.Run(async () =>
        {
            await using Client client = new(daemon.Addresses[i % daemon.Addresses.Count], HashCode.Combine(seed, phase, i), _tally);
            await client.RunAsync(stop.Token);
        })));
    }

    /// <summary>Waits, within reason, until the sockets are closed and memory is no more than it should be; what it is then is what counts.</summary>
    private static async Task<ProcessSample> SettleAsync(Daemon daemon, ProcessSample fresh, long memory)
    {
        Stopwatch clock = Stopwatch.StartNew();
        ProcessSample sample = daemon.Sample();
        while (clock.Elapsed < TimeSpan.FromSeconds(30) ? sample.Sockets > fresh.Sockets || sample.Resident > memory
            : clock.Elapsed < LongestSilence && sample.Sockets > fresh.Sockets)
        {
            await Task.Delay(250);
            sample = daemon.Sample();
        }

        return sample;
    }

    /// <summary>Reads all that was acknowledged.</summary>
    private async Task VerifyAsync(Daemon daemon)
    {
        List<string> faults = [];
        await using GrpcStore store = new(GrpcStoreAddress.Parse(daemon.Addresses[0]));
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = 16 };
        await Parallel.ForEachAsync(_tally.Blobs, parallel, async (blob, token) => Note(await Checks.FindFaultAsync(store, blob, token)));
        await using TvixStore trees = new(store.ToServices());
        await Parallel.ForEachAsync(_tally.Trees, parallel, async (tree, token) =>
        {
            Note(await Checks.FindFaultAsync(store, tree, token));
            using SHA256 sha = SHA256.Create();
            using CryptoStream nar = new(Stream.Null, sha, CryptoStreamMode.Write);
            await trees.WriteNarAsync(tree.Info.Node, nar, cancellationToken: token);
            await nar.FlushFinalBlockAsync(token);
            Note(sha.Hash.AsSpan().SequenceEqual(tree.Info.NarHash.ToByteArray()) ? null : "the NAR of a tree is another");
        });
        Check($"all {_tally.Blobs.Count} blobs and {_tally.Trees.Count} trees that were acknowledged are there and right; {faults.Count} are not{faults.FirstOrDefault()?.Insert(0, ": ")}", faults.Count == 0);

        void Note(string? fault)
        {
            if (fault is not null)
            {
                lock (faults)
                {
                    faults.Add(fault);
                }
            }
        }
    }

    private static void Print(string title, IEnumerable<KeyValuePair<string, int>> counts)
    {
        foreach ((string what, int count) in counts.Take(20))
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {title}: {count,7} {what}"));
        }
    }

    private void Check(string name, bool isRight)
    {
        Console.WriteLine($"{(isRight ? "ok   " : "FAILED")} {name}");
        _failed |= !isRight;
    }
}
