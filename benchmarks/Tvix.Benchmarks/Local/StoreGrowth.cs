using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Castore.Model;

namespace Tvix.Benchmarks.Local;

/// <summary>
/// Fills one embedded store with small blobs, and shows what inserting, looking up, opening and checking cost as it grows: a row for each size, four times the one before.
/// </summary>
/// <remarks>
/// <code>
/// growth FOLDER [--blobs 16M] [--chart]       FOLDER must not exist, and is removed at the end; --chart: a line a second on standard error
/// </code>
/// Blobs are of 100 bytes, made from their numbers, and so can be asked for again without being kept. What an open store holds in memory is seen in processes of their own, which
/// find the store as it is on disk. What is not inserting or opening is told in processor time, which other work on the machine changes least; opening as the best of five.
/// </remarks>
internal static class StoreGrowth
{
    private const int BlobBytes = 100;
    private const int BatchCount = 4096; // as an import puts them
    private const int InFlight = 2;
    private const int LastBlobs = 100_000;
    private const int Probes = 100_000;
    private const long NeverStored = 1L << 40;

    public static async Task RunAsync(string[] args)
    {
        string folder = Path.GetFullPath(args[0]);
        int option = Array.IndexOf(args, "--blobs");
        long blobs = ParseCount(option < 0 ? "16M" : args[option + 1]);
        bool chart = args.Contains("--chart");
        if (Directory.Exists(folder))
        {
            throw new ArgumentException($"'{folder}' exists already.");
        }

        Stack<long> sizes = [];
        for (long size = blobs; size >= Math.Min(blobs, 1_000_000); size /= 4)
        {
            sizes.Push(size);
        }

        await WarmUpAsync(folder + ".warm-up");
        Console.WriteLine(
            "| blobs | insert µs (CPU) | worst second µs | is it there: yes, no µs | in batches: yes, no µs | read µs | read in batches µs | index, packs B | open, first look-up ms "
            + "| statistics ms | verify µs | peak MB: filling, look-up, verify |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|");
        try
        {
            long filled = 0;
            while (sizes.TryPop(out long size))
            {
                string row = await FillAsync(folder, filled, size, chart);
                Console.WriteLine($"{row} {await MeasureElsewhereAsync(folder, size)} |");
                filled = size;
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> FillAsync(string folder, long from, long to, bool chart)
    {
        await using LocalStore store = Open(folder);
        store.Open();
        Filler filler = new(store.Blobs, chart);
        long last = Math.Max(from, to - LastBlobs);
        await filler.RunAsync(from, last);
        (double wall, double cpu) = await filler.RunAsync(last, to);
        double inserted = wall / (to - last);
        string row = string.Create(CultureInfo.InvariantCulture, $"| {to:n0} | {inserted:f1} ({cpu / (to - last):f1}) | {Math.Max(filler.Worst, inserted):f1}");
        row += " | " + await MeasureLookUpsAsync(store, to);
        (double index, double packs) = (Bytes(folder, "index.db*"), Bytes(Path.Combine(folder, "packs"), "*.pack"));
        return row + string.Create(CultureInfo.InvariantCulture, $" | {index / to:f0}, {packs / to:f0} |");
    }

    private static async Task<string> MeasureLookUpsAsync(LocalStore store, long count)
    {
        BlobChunk[] present = Pick(count, 0);
        BlobChunk[] absent = Pick(count, NeverStored);
        double[] micros =
        [
            await HasEachAsync(store, present, expected: true),
            await HasEachAsync(store, absent, expected: false),
            HasMany(store, present, expected: true),
            HasMany(store, absent, expected: false),
            await ReadEachAsync(store, present),
            await ReadManyAsync(store, present),
        ];
        return string.Create(
            CultureInfo.InvariantCulture, $"{micros[0]:f1}, {micros[1]:f1} | {micros[2]:f1}, {micros[3]:f1} | {micros[4]:f1} | {micros[5]:f1}");
    }

    /// <summary>Digests in no order, of blobs that are there, or of others.</summary>
    private static BlobChunk[] Pick(long count, long offset)
    {
        Random random = new(1);
        byte[] blob = new byte[BlobBytes];
        BlobChunk[] picked = new BlobChunk[Probes];
        foreach (ref BlobChunk pick in picked.AsSpan())
        {
            WriteBlob(random.NextInt64(count) + offset, blob);
            pick = new BlobChunk(Blake3Hasher.HashData(blob), BlobBytes);
        }

        return picked;
    }

    private static async Task<double> HasEachAsync(LocalStore store, BlobChunk[] blobs, bool expected)
    {
        TimeSpan begin = Environment.CpuUsage.TotalTime;
        foreach (BlobChunk blob in blobs)
        {
            Check(await store.Blobs.HasAsync(blob.Digest) == expected);
        }

        return (Environment.CpuUsage.TotalTime - begin).TotalMicroseconds / blobs.Length;
    }

    private static double HasMany(LocalStore store, BlobChunk[] blobs, bool expected)
    {
        B3Digest[] digests = Array.ConvertAll(blobs, blob => blob.Digest);
        TimeSpan begin = Environment.CpuUsage.TotalTime;
        for (int i = 0; i < digests.Length; i += BatchCount)
        {
            bool[] found = store.ContainsMany(RecordKind.Chunk, digests.AsSpan(i, Math.Min(BatchCount, digests.Length - i)));
            Check(!found.AsSpan().Contains(!expected));
        }

        return (Environment.CpuUsage.TotalTime - begin).TotalMicroseconds / blobs.Length;
    }

    private static async Task<double> ReadEachAsync(LocalStore store, BlobChunk[] blobs)
    {
        TimeSpan begin = Environment.CpuUsage.TotalTime;
        foreach (BlobChunk blob in blobs)
        {
            using BlobContent? content = await store.Blobs.ReadAsync(blob.Digest, BlobBytes);
            Check(content is not null);
        }

        return (Environment.CpuUsage.TotalTime - begin).TotalMicroseconds / blobs.Length;
    }

    private static async Task<double> ReadManyAsync(LocalStore store, BlobChunk[] blobs)
    {
        const int Batch = 1024; // as the renderer reads ahead
        BlobContent?[] contents = new BlobContent?[Batch];
        TimeSpan begin = Environment.CpuUsage.TotalTime;
        for (int i = 0; i < blobs.Length; i += Batch)
        {
            ArraySegment<BlobChunk> some = new(blobs, i, Math.Min(Batch, blobs.Length - i));
            await store.Blobs.ReadManyAsync(some, contents);
            for (int j = 0; j < some.Count; j++)
            {
                Check(contents[j] is not null);
                contents[j]!.Dispose();
            }
        }

        return (Environment.CpuUsage.TotalTime - begin).TotalMicroseconds / blobs.Length;
    }

    // ---- in a process of its own ----

    private static async Task<string> MeasureElsewhereAsync(string folder, long blobs)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true };
        foreach (string argument in (string[])["growth-open", folder, blobs.ToString(CultureInfo.InvariantCulture), PeakMegabytes()])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output.Trim() : throw new InvalidOperationException("The process that was to look at the store failed.");
    }

    /// <summary>What <see cref="RunAsync"/> starts for each size, once the code is compiled that it measures.</summary>
    public static async Task OpenAsync(string folder, long blobs, string fillingPeak)
    {
        await WarmUpAsync(folder + ".warm-up");
        B3Digest wanted = Pick(blobs, 0)[0].Digest;
        double open = double.MaxValue;
        for (int i = 0; i < 5; i++)
        {
            long opened = Stopwatch.GetTimestamp();
            await using LocalStore fresh = Open(folder);
            Check(await fresh.Blobs.HasAsync(wanted));
            open = Math.Min(open, Stopwatch.GetElapsedTime(opened).TotalMilliseconds);
        }

        string openPeak = PeakMegabytes();
        await using LocalStore store = Open(folder);
        TimeSpan begin = Environment.CpuUsage.TotalTime;
        Check((await store.GetStatisticsAsync()).Chunks == blobs);
        double statistics = (Environment.CpuUsage.TotalTime - begin).TotalMilliseconds;
        begin = Environment.CpuUsage.TotalTime;
        await foreach (StoreDamage damage in store.VerifyAsync())
        {
            throw new InvalidOperationException(damage.Message);
        }

        double verify = (Environment.CpuUsage.TotalTime - begin).TotalMicroseconds / blobs;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{open:f2} | {statistics:f0} | {verify:f1} | {fillingPeak}, {openPeak}, {PeakMegabytes()}"));
    }

    /// <summary>Has everything compiled, so that a small store does not look slow.</summary>
    private static async Task WarmUpAsync(string folder)
    {
        const int Count = 50_000;
        try
        {
            for (int i = 0; i < 3; i++)
            {
                await using LocalStore store = Open(folder);
                await new Filler(store.Blobs, chart: false).RunAsync(i * Count, (i + 1) * Count);
                await MeasureLookUpsAsync(store, Count);
                await Task.Delay(200); // the better code is compiled behind the scenes
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // ---- odds and ends ----

    private static LocalStore Open(string folder) => new(new LocalStoreOptions { Path = folder, Compression = LocalCompression.None });

    private static void WriteBlob(long number, Span<byte> blob)
    {
        ulong state = (ulong)number * 0xD1342543DE82EF95;
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        while (!blob.IsEmpty)
        {
            ulong mixed = state += 0x9E3779B97F4A7C15; // SplitMix64
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
            BinaryPrimitives.WriteUInt64LittleEndian(word, mixed ^ (mixed >> 31));
            int taken = Math.Min(blob.Length, word.Length);
            word[..taken].CopyTo(blob);
            blob = blob[taken..];
        }
    }

    private static long ParseCount(string text) => text[^1] switch
    {
        'M' => long.Parse(text[..^1], CultureInfo.InvariantCulture) * 1_000_000,
        'k' => long.Parse(text[..^1], CultureInfo.InvariantCulture) * 1_000,
        _ => long.Parse(text, CultureInfo.InvariantCulture),
    };

    private static double Bytes(string folder, string pattern) => Directory.EnumerateFiles(folder, pattern).Sum(file => new FileInfo(file).Length);

    private static string PeakMegabytes()
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return (long.Parse(line.Split(' ')[^2], CultureInfo.InvariantCulture) / 1000).ToString(CultureInfo.InvariantCulture);
    }

    private static void Check(bool holds)
    {
        if (!holds)
        {
            throw new InvalidOperationException("The store does not answer as it should.");
        }
    }

    /// <summary>Puts blobs in batches, a few at a time, and watches how fast that is from second to second.</summary>
    private sealed class Filler(IBlobService blobs, bool chart)
    {
        private readonly Stack<byte[]> _buffers = new(Enumerable.Range(0, InFlight).Select(_ => new byte[BatchCount * BlobBytes]));
        private long _windowBegin;
        private TimeSpan _windowCpu;
        private long _windowBlobs;

        /// <summary>Microseconds for a blob in the slowest second so far.</summary>
        public double Worst { get; private set; }

        /// <summary>Microseconds of time and of processor time that it took.</summary>
        public async Task<(double Wall, double Cpu)> RunAsync(long from, long to)
        {
            TimeSpan cpu = Environment.CpuUsage.TotalTime;
            long begin = _windowBegin = Stopwatch.GetTimestamp();
            (_windowCpu, _windowBlobs) = (cpu, 0);
            Queue<(Task Put, byte[] Buffer, int Count)> inFlight = [];
            for (long next = from; next < to; next += BatchCount)
            {
                if (_buffers.Count == 0)
                {
                    await EndOldestAsync(inFlight, next);
                }

                int count = (int)Math.Min(BatchCount, to - next);
                byte[] buffer = _buffers.Pop();
                long first = next;
                inFlight.Enqueue((Task.Run(() => PutAsync(buffer, first, count)), buffer, count));
            }

            while (inFlight.Count > 0)
            {
                await EndOldestAsync(inFlight, to);
            }

            return (Stopwatch.GetElapsedTime(begin).TotalMicroseconds, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds);
        }

        private async Task PutAsync(byte[] buffer, long first, int count)
        {
            ReadOnlyMemory<byte>[] contents = new ReadOnlyMemory<byte>[count];
            for (int i = 0; i < count; i++)
            {
                Memory<byte> blob = buffer.AsMemory(i * BlobBytes, BlobBytes);
                WriteBlob(first + i, blob.Span);
                contents[i] = blob;
            }

            await blobs.PutManyAsync(contents, new B3Digest[count]);
        }

        private async Task EndOldestAsync(Queue<(Task Put, byte[] Buffer, int Count)> inFlight, long done)
        {
            (Task put, byte[] buffer, int count) = inFlight.Dequeue();
            await put;
            _buffers.Push(buffer);
            _windowBlobs += count;
            TimeSpan window = Stopwatch.GetElapsedTime(_windowBegin);
            if (window.TotalSeconds >= 1)
            {
                double micros = window.TotalMicroseconds / _windowBlobs;
                TimeSpan cpu = Environment.CpuUsage.TotalTime;
                Worst = Math.Max(Worst, micros);
                if (chart)
                {
                    Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{done}\t{micros:f1}\t{(cpu - _windowCpu).TotalMicroseconds / _windowBlobs:f1}"));
                }

                (_windowBegin, _windowCpu, _windowBlobs) = (Stopwatch.GetTimestamp(), cpu, 0);
            }
        }
    }
}
