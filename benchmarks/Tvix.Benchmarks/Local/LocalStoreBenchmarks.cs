using BenchmarkDotNet.Attributes;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Castore.Model;

namespace Tvix.Benchmarks.Local;

/// <summary>Many small blobs into the embedded store and out of it, in batches of a thousand.</summary>
[MemoryDiagnoser]
public class LocalStoreBenchmarks
{
    private const int Count = 1000;

    private string _folder = "";
    private LocalStore _store = null!;
    private ReadOnlyMemory<byte>[] _known = null!;
    private B3Digest[] _digests = null!;
    private int _next;

    [Params(200, 8_000)]
    public int BlobBytes { get; set; }

    [GlobalSetup]
    public async Task SetupAsync()
    {
        _folder = Directory.CreateTempSubdirectory("tvix-benchmark-").FullName;
        _store = new LocalStore(new LocalStoreOptions { Path = Path.Combine(_folder, "store"), Compression = LocalCompression.None });
        _known = Fresh();
        _digests = new B3Digest[Count];
        await _store.Blobs.PutManyAsync(_known, _digests);
        using BlobContent? content = await _store.Blobs.ReadAsync(_digests[0], BlobBytes);
        if (!content!.Memory.Span.SequenceEqual(_known[0].Span))
        {
            throw new InvalidOperationException("The store gives back something else.");
        }
    }

    [GlobalCleanup]
    public async Task CleanupAsync()
    {
        await _store.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private ReadOnlyMemory<byte>[] Fresh()
    {
        Random random = new(_next++);
        return [.. Enumerable.Range(0, Count).Select(_ =>
        {
            byte[] blob = new byte[BlobBytes];
            random.NextBytes(blob);
            return (ReadOnlyMemory<byte>)blob;
        })];
    }

    [Benchmark(OperationsPerInvoke = Count)]
    public async Task PutNewAsync() => await _store.Blobs.PutManyAsync(Fresh(), new B3Digest[Count]);

    [Benchmark(OperationsPerInvoke = Count)]
    public async Task PutKnownAsync() => await _store.Blobs.PutManyAsync(_known, new B3Digest[Count]);

    [Benchmark(OperationsPerInvoke = Count)]
    public async Task ReadAsync()
    {
        foreach (B3Digest digest in _digests)
        {
            using BlobContent? content = await _store.Blobs.ReadAsync(digest, BlobBytes);
        }
    }
}
