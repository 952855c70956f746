using System.Diagnostics;
using BenchmarkDotNet.Running;
using Tvix.Benchmarks.Grpc;
using Tvix.Benchmarks.Local;
using Tvix.Castore.Blake3;

// dotnet run -c Release --project benchmarks/Tvix.Benchmarks -- --filter '*Blake3*'
// dotnet run -c Release --project benchmarks/Tvix.Benchmarks -- hash FILE [THREADS]       beside: b3sum --num-threads THREADS FILE
// … -- growth FOLDER [--blobs 16M]                                                       see StoreGrowth
// … -- grpc-load HOST:PORT PIECE WORK… and … -- grpc-serve PIECE                                                   see benchmarks/grpc.sh
if (args is ["hash", string path, ..])
{
    int threads = args.Length > 2 ? int.Parse(args[2]) : 1;
    await Blake3Hasher.HashFileAsync(path, threads, CancellationToken.None); // compiled, and the file in the page cache
    long begin = Stopwatch.GetTimestamp();
    Console.Write((await Blake3Hasher.HashFileAsync(path, threads, CancellationToken.None)).ToHexString());
    double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
    Console.WriteLine($"  {seconds:f3} s, {new FileInfo(path).Length / seconds / 1e9:f2} GB/s");
    return;
}

if (args is ["grpc-load", .. string[] load])
{
    await GrpcLoad.RunAsync(load);
    return;
}

if (args is ["grpc-serve", string piece])
{
    await using BareServer server = await BareServer.StartAsync(int.Parse(piece));
    await server.WaitAsync();
    return;
}

if (args is ["growth", .. string[] growth])
{
    await StoreGrowth.RunAsync(growth);
    return;
}

if (args is ["growth-open", string folder, string blobs, string fillingPeak])
{
    await StoreGrowth.OpenAsync(folder, long.Parse(blobs), fillingPeak);
    return;
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
