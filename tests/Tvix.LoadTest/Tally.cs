using System.Collections.Concurrent;
using Tvix.Castore.Model;
using Tvix.Store.PathInfos;

namespace Tvix.LoadTest;

/// <summary>What was done, what was acknowledged, and what went wrong; of all clients together.</summary>
internal sealed class Tally
{
    private readonly Lock _gate = new();
    private readonly List<KnownBlob> _blobs = [];
    private readonly List<KnownTree> _trees = [];
    private readonly ConcurrentDictionary<string, int> _operations = new();
    private readonly ConcurrentDictionary<string, int> _errors = new();
    private readonly ConcurrentDictionary<string, int> _brokenOff = new();
    private long _bytesWritten;
    private long _bytesRead;

    public long BytesWritten => Interlocked.Read(ref _bytesWritten);

    public long BytesRead => Interlocked.Read(ref _bytesRead);

    /// <summary>How often each kind of operation was completed.</summary>
    public IEnumerable<KeyValuePair<string, int>> Operations => _operations.OrderBy(pair => pair.Key, StringComparer.Ordinal);

    /// <summary>Errors that no client caused.</summary>
    public IEnumerable<KeyValuePair<string, int>> Errors => _errors.OrderByDescending(pair => pair.Value);

    /// <summary>How operations ended that their client broke off.</summary>
    public IEnumerable<KeyValuePair<string, int>> BrokenOff => _brokenOff.OrderByDescending(pair => pair.Value);

    public IReadOnlyList<KnownBlob> Blobs
    {
        get
        {
            lock (_gate)
            {
                return [.. _blobs];
            }
        }
    }

    public IReadOnlyList<KnownTree> Trees
    {
        get
        {
            lock (_gate)
            {
                return [.. _trees];
            }
        }
    }

    public void Add(KnownBlob blob)
    {
        Wrote(blob.Size);
        lock (_gate)
        {
            _blobs.Add(blob);
        }
    }

    public void Add(KnownTree tree)
    {
        lock (_gate)
        {
            _trees.Add(tree);
        }
    }

    public void Wrote(long bytes) => Interlocked.Add(ref _bytesWritten, bytes);

    public void Read(long bytes) => Interlocked.Add(ref _bytesRead, bytes);

    public void Done(string operation) => Count(_operations, operation);

    public void BrokeOff(string operation, Exception? e) => Count(_brokenOff, $"{operation}: {e?.GetType().Name ?? "nothing thrown"}");

    public void Failed(string operation, Exception e) => Failed(operation, $"{e.GetType().Name}: {e.Message} {e.InnerException?.InnerException?.Message}");

    public void Failed(string operation, string message) => Count(_errors, $"{operation}: {message}");

    public KnownBlob? AnyBlob(Random random)
    {
        lock (_gate)
        {
            // Small ones are many; so that large ones are read as well, it is the largest of some.
            return _blobs.Count == 0 ? null : Enumerable.Range(0, 1 + random.Next(20)).Select(_ => _blobs[random.Next(_blobs.Count)]).MaxBy(blob => blob.Size);
        }
    }

    public KnownTree? AnyTree(Random random)
    {
        lock (_gate)
        {
            return _trees.Count == 0 ? null : _trees[random.Next(_trees.Count)];
        }
    }

    private static void Count(ConcurrentDictionary<string, int> counts, string key) => counts.AddOrUpdate(key, 1, static (_, count) => count + 1);
}

/// <summary>A blob that was acknowledged; its bytes follow from the seed.</summary>
internal sealed record KnownBlob(B3Digest Digest, int Seed, int Size)
{
    public static byte[] Contents(int seed, int size)
    {
        byte[] contents = new byte[size];
        new Random(seed).NextBytes(contents.AsSpan(size / 4)); // a part that can be compressed
        return contents;
    }
}

/// <summary>A tree that was acknowledged, with its path info.</summary>
internal sealed record KnownTree(IReadOnlyList<CastoreDirectory> RootToLeaves, PathInfo Info);
