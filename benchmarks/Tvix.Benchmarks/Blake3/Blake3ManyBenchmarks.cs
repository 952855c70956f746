using BenchmarkDotNet.Attributes;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Benchmarks.Blake3;

/// <summary>What do many small messages gain from being hashed side by side?</summary>
[MemoryDiagnoser]
public class Blake3ManyBenchmarks
{
    private readonly B3Digest[] _digests = new B3Digest[256];
    private ReadOnlyMemory<byte>[] _messages = [];

    /// <summary>The length of each message in bytes; 0 for a mix of all lengths up to 4 KiB.</summary>
    [Params(0, 64, 1024, 4096)]
    public int Size { get; set; }

    /// <summary>Makes the messages and checks both ways against each other.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        _messages = new ReadOnlyMemory<byte>[_digests.Length];
        for (int i = 0; i < _messages.Length; i++)
        {
            byte[] message = new byte[Size == 0 ? random.Next(4097) : Size];
            random.NextBytes(message);
            _messages[i] = message;
        }

        OneByOne();
        B3Digest[] expected = [.. _digests];
        HashMany();
        if (!expected.AsSpan().SequenceEqual(_digests))
        {
            throw new InvalidOperationException("The digests differ.");
        }
    }

    /// <summary>256 messages, one after another.</summary>
    [Benchmark(Baseline = true)]
    public void OneByOne()
    {
        for (int i = 0; i < _messages.Length; i++)
        {
            _digests[i] = Blake3Hasher.HashData(_messages[i].Span);
        }
    }

    /// <summary>256 messages together.</summary>
    [Benchmark]
    public void HashMany() => Blake3Hasher.HashMany(_messages, _digests);
}
