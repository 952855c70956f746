using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Nar;

namespace Tvix.Benchmarks.Nar;

/// <summary>What rendering a tree from memory costs a file, against hashing as many bytes at once.</summary>
[MemoryDiagnoser]
public class NarRenderBenchmarks
{
    private readonly MemoryBlobService _blobs = new();
    private readonly MemoryDirectoryService _directories = new();
    private Node _root = null!;
    private byte[] _asOne = null!;

    [Params(100, 10_000)]
    public int Files { get; set; }

    [Params(1_000, 100_000)]
    public int FileBytes { get; set; }

    [GlobalSetup]
    public async Task SetupAsync()
    {
        Random random = new(1);
        byte[] content = new byte[FileBytes];
        List<DirectoryEntry> entries = [];
        for (int i = 0; i < Files; i++)
        {
            random.NextBytes(content);
            B3Digest digest = await ((IBlobService)_blobs).PutAsync(content.ToArray());
            entries.Add(new DirectoryEntry(new PathComponent($"file-{i:d6}"), new Node.File(digest, (ulong)FileBytes, false)));
        }

        CastoreDirectory directory = CastoreDirectory.FromEntries(entries);
        await _directories.PutAsync(directory);
        _root = directory.ToNode();
        ulong size = await new NarSizeCalculator(_directories).CalculateAsync(_root);
        if (await RenderAsync() != size)
        {
            throw new InvalidOperationException("The NAR does not have the size that was computed for it.");
        }

        _asOne = new byte[Math.Min(size, 1 << 30)];
    }

    [Benchmark]
    public async Task<ulong> RenderAsync() => await new NarRenderer(_blobs, _directories).RenderAsync(_root, Stream.Null);

    [Benchmark]
    public async Task<ulong> RenderAndHashAsync() => (await new RenderingNarCalculationService(_blobs, _directories).CalculateAsync(_root)).Size;

    [Benchmark(Baseline = true)]
    public byte[] Sha256OfAsManyBytes() => SHA256.HashData(_asOne);
}
