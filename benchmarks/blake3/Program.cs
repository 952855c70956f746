using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

// Compares with the blake3 crate in one process, in turns; see ../blake3.sh.
//   memory LIBRARY ROUNDS [SIZE…]   sizes in memory on one thread; LIBRARY is the crate behind a C function
//   many ROUNDS                     messages of 1 KiB, 16 or 256 at once, beside one at a time
//   file FILE ROUNDS                a whole file, in turns with processes of b3sum, on one thread and on all
//   hash FILE THREADS               one file, for the comparison of whole processes
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
switch (args)
{
    case ["memory", string library, string rounds, .. string[] sizes]:
        int[] usual = [64, 1024, 2048, 4096, 8192, 16 << 10, 64 << 10, 1 << 20, 100 << 20];
        CompareInMemory(library, int.Parse(rounds), sizes.Length > 0 ? [.. sizes.Select(int.Parse)] : usual);
        return 0;
    case ["many", string rounds]:
        CompareMany(int.Parse(rounds));
        return 0;
    case ["file", string file, string rounds]:
        await CompareFileAsync(file, int.Parse(rounds));
        return 0;
    case ["hash", string file, string threads]:
        Console.WriteLine((await Blake3Hasher.HashFileAsync(file, int.Parse(threads))).ToHexString());
        return 0;
    default:
        Console.Error.WriteLine("See the head of Program.cs.");
        return 1;
}

static unsafe void CompareInMemory(string library, int rounds, int[] sizes)
{
    var crate = (delegate* unmanaged<byte*, nuint, nuint, byte*, void>)NativeLibrary.GetExport(NativeLibrary.Load(library), "hash_repeatedly");
    byte* expected = stackalloc byte[32];
    byte* actual = stackalloc byte[32];
    foreach (int size in sizes)
    {
        byte* input = (byte*)NativeMemory.AlignedAlloc((nuint)size, 64);
        new Random(size).NextBytes(new Span<byte>(input, size));
        int times = Math.Max(1, (2 << 20) / Math.Max(size, 512)); // a millisecond or so
        Action ours = () => HashRepeatedly(input, size, times, actual);
        Action theirs = () => crate(input, (nuint)size, (nuint)times, expected);
        (double our, double their, double ratio) = InTurns(ours, theirs, size > 16 << 20 ? Math.Min(rounds, 15) : rounds);
        Check(new ReadOnlySpan<byte>(actual, 32).SequenceEqual(new ReadOnlySpan<byte>(expected, 32)));
        Console.WriteLine($"| {Name(size)} | {Pace(our / times, size)} | {Pace(their / times, size)} | {ratio:f2} |");
        NativeMemory.AlignedFree(input);
    }
}

static unsafe void HashRepeatedly(byte* input, int size, int times, byte* digest)
{
    for (int i = 0; i < times; i++)
    {
        Blake3Hasher.HashData(new ReadOnlySpan<byte>(input, size), new Span<byte>(digest, 32));
    }
}

static void CompareMany(int rounds)
{
    foreach (int count in (int[])[16, 256])
    {
        ReadOnlyMemory<byte>[] messages = new ReadOnlyMemory<byte>[count];
        B3Digest[] together = new B3Digest[count];
        B3Digest[] apart = new B3Digest[count];
        for (int i = 0; i < count; i++)
        {
            byte[] message = new byte[1024];
            new Random(i).NextBytes(message);
            messages[i] = message;
        }

        int times = 2048 / count;
        Action many = () =>
        {
            for (int i = 0; i < times; i++)
            {
                Blake3Hasher.HashMany(messages, together);
            }
        };
        Action one = () =>
        {
            for (int i = 0; i < times; i++)
            {
                for (int j = 0; j < messages.Length; j++)
                {
                    apart[j] = Blake3Hasher.HashData(messages[j].Span);
                }
            }
        };
        (double at, double alone, double ratio) = InTurns(many, one, rounds);
        Check(together.AsSpan().SequenceEqual(apart));
        Console.WriteLine($"| {count} x 1 KiB | {Pace(at / times / count, 1024)} | {Pace(alone / times / count, 1024)} | {ratio:f2} |");
    }
}

static async Task CompareFileAsync(string file, int rounds)
{
    long length = new FileInfo(file).Length;
    int all = Environment.ProcessorCount;
    foreach (int threads in (int[])[1, all])
    {
        Check(Run("b3sum", "--no-names", "--num-threads", $"{threads}", file) == (await Blake3Hasher.HashFileAsync(file, threads)).ToHexString());
        List<double> inside = [], whole = [], b3sum = [];
        for (int i = 0; i < rounds; i++)
        {
            inside.Add(Seconds(() => Blake3Hasher.HashFileAsync(file, threads).AsTask().GetAwaiter().GetResult()));
            b3sum.Add(Seconds(() => Run("b3sum", "--no-names", "--num-threads", $"{threads}", file)));
            whole.Add(Seconds(() => Run(Environment.ProcessPath!, "hash", file, $"{threads}")));
        }

        double ratioInside = Median(inside.Zip(b3sum, (a, b) => a / b)), ratioWhole = Median(whole.Zip(b3sum, (a, b) => a / b));
        string name = $"{length / 1024.0 / 1024 / 1024:f1} GiB, {threads}";
        Console.WriteLine($"| {name} | {Median(inside):f3} s ({ratioInside:f2}) | {Median(whole):f3} s ({ratioWhole:f2}) | {Median(b3sum):f3} s |");
    }
}

static string Run(string program, params string[] arguments)
{
    using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
    string output = process.StandardOutput.ReadToEnd().Trim();
    process.WaitForExit();
    Check(process.ExitCode == 0);
    return output;
}

// The medians of both, in nanoseconds, and the median of the ratios of neighbours, theirs to ours: above one is faster.
static (double Ours, double Theirs, double Ratio) InTurns(Action ours, Action theirs, int rounds)
{
    for (int i = 0; i < 3; i++)
    {
        ours();
        theirs();
    }

    List<double> our = [], their = [];
    for (int i = 0; i < rounds; i++)
    {
        // Who comes first changes.
        if (i % 2 == 0)
        {
            our.Add(Seconds(ours));
            their.Add(Seconds(theirs));
        }
        else
        {
            their.Add(Seconds(theirs));
            our.Add(Seconds(ours));
        }
    }

    return (Median(our) * 1e9, Median(their) * 1e9, Median(their.Zip(our, (a, b) => a / b)));
}

static double Seconds(Action action)
{
    long begin = Stopwatch.GetTimestamp();
    action();
    return Stopwatch.GetElapsedTime(begin).TotalSeconds;
}

static double Median(IEnumerable<double> values)
{
    double[] sorted = [.. values.Order()];
    return sorted[sorted.Length / 2];
}

static string Name(int size) => size < 1024 ? $"{size} B" : size < 1 << 20 ? $"{size >> 10} KiB" : $"{size >> 20} MiB";

static string Pace(double nanoseconds, int size) =>
    size <= 1024 ? $"{nanoseconds:f0} ns" : $"{size / nanoseconds:f2} GB/s";

static void Check(bool condition)
{
    if (!condition)
    {
        throw new InvalidOperationException("The digests differ, or a program failed.");
    }
}
