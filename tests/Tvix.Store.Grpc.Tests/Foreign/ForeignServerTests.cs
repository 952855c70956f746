using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Client;
using Tvix.Store.PathInfos;
using Tvix.Testing;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Grpc.Tests.Foreign;

/// <summary>Our clients against a server of another implementation, which does what it should and what it should not.</summary>
[TestFixture]
public sealed class ForeignServerTests
{
    private static readonly TimeSpan _deadline = TimeSpan.FromMilliseconds(500);
    private static readonly byte[] _small = SampleData.Bytes(50_000, 1);
    private static readonly byte[] _large = SampleData.Bytes(1_000_000, 2);

    private PythonServer _server = null!;
    private B3Digest _smallDigest;
    private B3Digest _largeDigest;
    private CastoreDirectory _leaf = null!;
    private CastoreDirectory _middle = null!;
    private CastoreDirectory _root = null!;
    private PathInfo _info = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _server = await PythonServer.StartAsync();
        await using GrpcStore store = _server.Connect();
        _smallDigest = await store.Blobs.PutAsync(_small);
        await using (BlobWriter writer = await store.Blobs.OpenWriteAsync())
        {
            await writer.WriteAsync(_large);
            _largeDigest = await writer.CompleteAsync();
        }

        Node file = new Node.File(_smallDigest, (ulong)_small.Length, false);
        _leaf = CastoreDirectory.FromEntries([new(new PathComponent("file"), file)]);
        _middle = CastoreDirectory.FromEntries([new(new PathComponent("leaf"), _leaf.ToNode())]);
        _root = CastoreDirectory.FromEntries([new(new PathComponent("middle"), _middle.ToNode()), new(new PathComponent("same"), _leaf.ToNode())]);
        await using (DirectoryPutter putter = store.Directories.OpenPutter())
        {
            await putter.PutAsync(_leaf);
            await putter.PutAsync(_middle);
            await putter.PutAsync(_root);
            Assert.That(await putter.CompleteAsync(), Is.EqualTo(_root.Digest));
        }

        PathInfo[] infos = [.. SamplePathInfos.All.DistinctBy(info => info.StorePath.Digest).Take(2)];
        foreach (PathInfo info in infos)
        {
            Assert.That(await store.PathInfos.PutAsync(info), Is.EqualTo(info));
        }

        _info = infos[0];
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    [Test]
    public async Task GoodServer_GivesEverythingBack()
    {
        await using GrpcStore store = _server.Connect();
        Assert.That(_smallDigest, Is.EqualTo(Blake3Hasher.HashData(_small)));
        Assert.That(_largeDigest, Is.EqualTo(Blake3Hasher.HashData(_large)));
        Assert.That(await ReadAsync(store, _smallDigest), Is.EqualTo(_small));
        Assert.That(await ReadAsync(store, _largeDigest), Is.EqualTo(_large));
        Assert.That(await store.Blobs.HasAsync(_smallDigest), Is.True);
        Assert.That(await store.Blobs.HasAsync(default), Is.False);
        Assert.That((await store.Blobs.GetChunksAsync(_largeDigest))!, Has.Count.EqualTo(25));
        Assert.That(await store.Blobs.OpenReadAsync(default), Is.Null);
        Assert.That(await store.Directories.GetAsync(_root.Digest), Is.EqualTo(_root));
        Assert.That(await store.Directories.GetAsync(default), Is.Null);
        Assert.That(await ClosureAsync(store), Is.EquivalentTo(new[] { _root, _middle, _leaf }));
        Assert.That(await store.PathInfos.GetAsync(_info.StorePath.Digest), Is.EqualTo(_info));
        Assert.That(await store.PathInfos.GetAsync(SamplePathInfos.Numbered(7).StorePath.Digest), Is.Null);
        Assert.That(await ListAsync(store), Has.Count.EqualTo(2).And.Contain(_info));
    }

    [TestCase("wrong bytes")]
    [TestCase("early end")]
    [TestCase("endless")]
    [TestCase("endless nothing")]
    [TestCase("garbage")]
    [TestCase("error in the middle")]
    [TestCase("unavailable")]
    [TestCase("broken")]
    [TestCase("lost")]
    [TestCase("slow")]
    [TestCase("slow bytes")]
    [CancelAfter(60_000)]
    public async Task Read_FromABadServer_IsAnErrorAndNeverWrongBytes(string behaviour, CancellationToken cancellationToken)
    {
        await using GrpcStore store = _server.Connect(behaviour, _deadline);
        foreach (B3Digest digest in (B3Digest[])[_smallDigest, _largeDigest])
        {
            long before = GC.GetTotalAllocatedBytes();
            Assert.That(
                async () => await ReadAsync(store, digest, cancellationToken),
                Throws.InstanceOf<StorageException>().Or.InstanceOf<DigestMismatchException>(), $"{digest}");
            Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(200L << 20), "what an endless stream sends is not gathered");
        }
    }

    [TestCase("short digests")]
    [TestCase("huge chunks")]
    [TestCase("wrong sizes")]
    [CancelAfter(60_000)]
    public async Task Read_WithBadChunks_IsAnError(string behaviour, CancellationToken cancellationToken)
    {
        await using GrpcStore store = _server.Connect(behaviour, _deadline);
        Assert.That(
            async () => await ReadAsync(store, _largeDigest, cancellationToken), Throws.InstanceOf<StorageException>().Or.InstanceOf<DigestMismatchException>());
    }

    [TestCase("wrong digest")]
    [TestCase("short digest")]
    [TestCase("error in the middle")]
    [TestCase("garbage")]
    [TestCase("unavailable")]
    [TestCase("slow")]
    [CancelAfter(60_000)]
    public async Task Put_ToABadServer_IsAnError(string behaviour, CancellationToken cancellationToken)
    {
        await using GrpcStore store = _server.Connect(behaviour, _deadline);
        foreach (int size in (int[])[10, 3_000_000])
        {
            byte[] fresh = SampleData.Bytes(size, behaviour.GetHashCode(StringComparison.Ordinal));
            Assert.That(
                async () => await store.Blobs.PutAsync(fresh, cancellationToken), Throws.InstanceOf<StorageException>().Or.InstanceOf<DigestMismatchException>(), $"{size} bytes at once");
            Assert.That(
                async () =>
                {
                    await using BlobWriter writer = await store.Blobs.OpenWriteAsync(cancellationToken);
                    for (int at = 0; at < size; at += 100_000)
                    {
                        await writer.WriteAsync(fresh.AsMemory(at, Math.Min(100_000, size - at)), cancellationToken);
                    }

                    await writer.CompleteAsync(cancellationToken);
                },
                Throws.InstanceOf<StorageException>().Or.InstanceOf<DigestMismatchException>(),
                $"{size} bytes through a writer");
        }
    }

    [TestCase("wrong order")]
    [TestCase("early end")]
    [TestCase("twice")]
    [TestCase("other")]
    [TestCase("invalid")]
    [TestCase("more")]
    [TestCase("endless")]
    [TestCase("garbage")]
    [TestCase("unavailable")]
    [TestCase("broken")]
    [TestCase("slow")]
    [CancelAfter(60_000)]
    public async Task GetClosure_FromABadServer_IsAnError(string behaviour, CancellationToken cancellationToken)
    {
        await using GrpcStore store = _server.Connect(behaviour, _deadline);
        Assert.That(async () => await ClosureAsync(store, cancellationToken), Throws.InstanceOf<CastoreException>());
    }

    [TestCase("other")]
    [TestCase("invalid")]
    [TestCase("garbage")]
    [TestCase("broken")]
    [TestCase("slow")]
    [CancelAfter(60_000)]
    public async Task GetDirectory_FromABadServer_IsAnError(string behaviour, CancellationToken cancellationToken)
    {
        await using GrpcStore store = _server.Connect(behaviour, _deadline);
        Assert.That(async () => await store.Directories.GetAsync(_root.Digest, cancellationToken), Throws.InstanceOf<CastoreException>());
    }

    [TestCase("wrong digest")]
    [TestCase("error in the middle")]
    [TestCase("garbage")]
    [TestCase("slow")]
    [CancelAfter(60_000)]
    public async Task PutDirectories_ToABadServer_IsAnError(string behaviour, CancellationToken cancellationToken)
    {
        await using GrpcStore store = _server.Connect(behaviour, _deadline);
        Assert.That(
            async () =>
            {
                await using DirectoryPutter putter = store.Directories.OpenPutter();
                await putter.PutAsync(_leaf, cancellationToken);
                await putter.PutAsync(_middle, cancellationToken);
                await putter.CompleteAsync(cancellationToken);
            },
            Throws.InstanceOf<CastoreException>().Or.InstanceOf<ArgumentException>());
    }

    [TestCase("other")]
    [TestCase("invalid")]
    [TestCase("garbage")]
    [TestCase("lost")]
    [TestCase("slow")]
    [CancelAfter(60_000)]
    public async Task GetPathInfo_FromABadServer_IsAnError(string behaviour, CancellationToken cancellationToken)
    {
        await using GrpcStore store = _server.Connect(behaviour, _deadline);
        Assert.That(
            async () => await store.PathInfos.GetAsync(_info.StorePath.Digest, cancellationToken),
            Throws.InstanceOf<StorageException>().Or.InstanceOf<InvalidPathInfoException>());
    }

    [TestCase("invalid")]
    [TestCase("error in the middle")]
    [TestCase("garbage")]
    [TestCase("slow")]
    [CancelAfter(60_000)]
    public async Task ListPathInfos_FromABadServer_IsAnError(string behaviour, CancellationToken cancellationToken)
    {
        await using GrpcStore store = _server.Connect(behaviour, _deadline);
        Assert.That(
            async () => await ListAsync(store, cancellationToken), Throws.InstanceOf<StorageException>().Or.InstanceOf<InvalidPathInfoException>());
    }

    [Test]
    public async Task Status_OfAForeignServer_IsInTheMessage()
    {
        await using GrpcStore store = _server.Connect("broken");
        StorageException e = Assert.ThrowsAsync<StorageException>(async () => await store.Blobs.HasAsync(_smallDigest))!;
        Assert.That(e.Message, Does.Contain("broken: 100% ä").And.Contain(_smallDigest.ToString()));
        Assert.That(e.IsTransient, Is.False);
        await using GrpcStore other = _server.Connect("unavailable");
        Assert.That(Assert.ThrowsAsync<StorageException>(async () => await other.Blobs.HasAsync(_smallDigest))!.IsTransient, Is.True);
    }

    private static async Task<byte[]> ReadAsync(GrpcStore store, B3Digest digest, CancellationToken cancellationToken = default)
    {
        await using Stream stream = await store.Blobs.OpenReadAsync(digest, cancellationToken) ?? throw new InvalidOperationException("absent");
        using MemoryStream copy = new();
        await stream.CopyToAsync(copy, cancellationToken);
        return copy.ToArray();
    }

    private async Task<List<CastoreDirectory>> ClosureAsync(GrpcStore store, CancellationToken cancellationToken = default)
    {
        List<CastoreDirectory> all = [];
        await foreach (CastoreDirectory directory in store.Directories.GetClosureAsync(_root.Digest, cancellationToken))
        {
            all.Add(directory);
        }

        return all;
    }

    private static async Task<List<PathInfo>> ListAsync(GrpcStore store, CancellationToken cancellationToken = default)
    {
        List<PathInfo> all = [];
        await foreach (PathInfo info in store.PathInfos.ListAsync(cancellationToken))
        {
            all.Add(info);
        }

        return all;
    }
}
