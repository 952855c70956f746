using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Benchmarks.Blake3;

/// <summary>How fast is one message, beside SHA-256, which one would otherwise pick?</summary>
[MemoryDiagnoser]
public class Blake3Benchmarks
{
    private byte[] _message = [];

    /// <summary>The length of the message in bytes.</summary>
    [Params(64, 1024, 2048, 16_384, 1 << 20, 16 << 20)]
    public int Size { get; set; }

    /// <summary>Makes the message and checks the ways to hash it against each other.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _message = new byte[Size];
        new Random(1).NextBytes(_message);
        if (HashData() != Incremental() || HashData() != HashDataParallel())
        {
            throw new InvalidOperationException("The digests differ.");
        }
    }

    /// <summary>At once.</summary>
    [Benchmark]
    public B3Digest HashData() => Blake3Hasher.HashData(_message);

    /// <summary>In pieces of 16 KiB.</summary>
    [Benchmark]
    public B3Digest Incremental()
    {
        Blake3Hasher hasher = new();
        for (int i = 0; i < _message.Length; i += 16_384)
        {
            hasher.AppendData(_message.AsSpan(i, Math.Min(16_384, _message.Length - i)));
        }

        return hasher.GetCurrentDigest();
    }

    /// <summary>On all cores.</summary>
    [Benchmark]
    public B3Digest HashDataParallel() => Blake3Hasher.HashDataParallel(_message);

    /// <summary>SHA-256 of the platform.</summary>
    [Benchmark(Baseline = true)]
    public byte[] Sha256() => SHA256.HashData(_message);
}
