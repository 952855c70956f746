using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using Google.Protobuf;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Benchmarks.Grpc;

/// <summary>
/// Calls a server over one connection and prints how fast that was. The clients of other implementations beside this one, in benchmarks/grpc, take the same arguments and print the same.
/// </summary>
/// <remarks>
/// <code>
/// HOST:PORT PIECE WORK…
/// WORK = put:BYTES | read:BYTES           one blob in one stream, in messages of PIECE bytes where the client decides; what is read is what was put before
///      | sput:CALLS | sread:CALLS         blobs of 1 KiB, as many at a time as given
/// </code>
/// A line for each: the work, bytes or calls, seconds, seconds of processor time of this process, and of the server, whose process SERVER_PID names.
/// </remarks>
internal static class GrpcLoad
{
    private const int SmallBlob = 1024;

    private static readonly TimeSpan s_smallTime = TimeSpan.FromSeconds(0.5);

    public static async Task RunAsync(string[] args)
    {
        string address = args[0];
        int pieceSize = int.Parse(args[1], CultureInfo.InvariantCulture);
        using GrpcChannel channel = new(new Uri("http://" + address));
        Client client = new(channel, pieceSize);
        // Connected, compiled, and windows grown.
        foreach (string work in (string[])["put", "read", "put", "read", "sput", "sread"])
        {
            await client.RunAsync(work, work[0] == 's' ? 8 : 64 << 20);
        }

        foreach (string work in args[2..])
        {
            string[] parts = work.Split(':');
            double serverCpu = ServerCpu();
            TimeSpan cpu = Environment.CpuUsage.TotalTime;
            long start = Stopwatch.GetTimestamp();
            long done = await client.RunAsync(parts[0], int.Parse(parts[1], CultureInfo.InvariantCulture));
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            double cpuSeconds = (Environment.CpuUsage.TotalTime - cpu).TotalSeconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{work} {done} {seconds:f4} {cpuSeconds:f4} {ServerCpu() - serverCpu:f2}"));
        }
    }

    /// <summary>From the kernel, which counts in hundredths of a second.</summary>
    private static double ServerCpu()
    {
        if (Environment.GetEnvironmentVariable("SERVER_PID") is not { } id)
        {
            return 0;
        }

        string[] fields = File.ReadAllText($"/proc/{id}/stat").Split(' '); // the name, the second, has no blanks
        return (double.Parse(fields[13], CultureInfo.InvariantCulture) + double.Parse(fields[14], CultureInfo.InvariantCulture)) / 100;
    }

    private sealed class Client(GrpcChannel channel, int pieceSize)
    {
        private readonly byte[] _piece = RandomBytes(pieceSize);
        private readonly Dictionary<int, ByteString> _digests = [];
        private long _serial = Random.Shared.NextInt64();

        public async Task<long> RunAsync(string work, int amount)
        {
            switch (work)
            {
                case "put":
                    _digests[amount] = await PutAsync(_piece, amount);
                    return amount;
                case "read":
                    return await ReadAsync(_digests[amount], amount);
                case "sput":
                    return await RepeatAsync(amount, async () => await PutAsync(RandomBytes(SmallBlob), SmallBlob));
                case "sread":
                    ByteString small = await PutAsync(RandomBytes(SmallBlob), SmallBlob);
                    return await RepeatAsync(amount, () => ReadAsync(small, SmallBlob));
                default:
                    throw new ArgumentException($"There is no work '{work}'.");
            }
        }

        private async Task<ByteString> PutAsync(byte[] piece, int length)
        {
            await using IGrpcCall<ReadOnlySequence<byte>, PutBlobResponse> call = channel.Start(StoreMethods.Tvix.PutBlob);
            for (int at = 0; at < length; at += piece.Length)
            {
                for (int i = 0; i < piece.Length; i += 4096)
                {
                    BitConverter.TryWriteBytes(piece.AsSpan(i), _serial++); // no two pieces are the same, or a store would not store them
                }

                await call.WriteAsync(new ReadOnlySequence<byte>(piece, 0, Math.Min(piece.Length, length - at)));
            }

            await call.CompleteAsync();
            await call.MoveNextAsync();
            ByteString digest = call.Current.Digest;
            await call.MoveNextAsync();
            return digest;
        }

        private async Task<long> ReadAsync(ByteString digest, long expected)
        {
            await using IGrpcCall<ReadBlobRequest, ReadOnlySequence<byte>> call = channel.Start(StoreMethods.Tvix.ReadBlob);
            await call.WriteAsync(new ReadBlobRequest { Digest = digest });
            await call.CompleteAsync();
            long length = 0;
            while (await call.MoveNextAsync())
            {
                length += call.Current.Length;
            }

            return length == expected ? length : throw new InvalidOperationException($"The server sent {length} bytes instead of {expected}.");
        }

        private static async Task<long> RepeatAsync(int parallel, Func<Task> call)
        {
            long start = Stopwatch.GetTimestamp();
            long calls = 0;
            await Task.WhenAll(Enumerable.Range(0, parallel).Select(_ => Task.Run(async () =>
            {
                while (Stopwatch.GetElapsedTime(start) < s_smallTime)
                {
                    await call();
                    Interlocked.Increment(ref calls);
                }
            })));
            return calls;
        }

        private static byte[] RandomBytes(int count)
        {
            byte[] bytes = new byte[count];
            Random.Shared.NextBytes(bytes);
            return bytes;
        }
    }
}
