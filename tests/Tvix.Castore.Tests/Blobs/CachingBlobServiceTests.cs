using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Testing;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Blobs;

[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
[TestOf(typeof(CachingBlobService))]
public sealed class CachingBlobServiceTests
{
    private static readonly byte[] Content = SampleData.Bytes(5000);
    private static readonly B3Digest Digest = Blake3Hasher.HashData(Content);

    private readonly List<string> _calls = [];
    private readonly MemoryBlobService _nearBlobs = new();
    private readonly MemoryBlobService _farBlobs = new();
    private readonly ScriptedBlobService _near;
    private readonly ScriptedBlobService _far;

    public CachingBlobServiceTests()
    {
        _near = new ScriptedBlobService(_nearBlobs, "near", _calls);
        _far = new ScriptedBlobService(_farBlobs, "far", _calls);
    }

    [Test]
    public async Task OpenRead_OnlyFar_IsFetchedOnceAndStaysNear()
    {
        await _farBlobs.PutAsync(Content);
        CachingBlobService cache = new(_near, _far);

        Assert.That(await ReadAllAsync(cache), Is.EqualTo(Content));
        Assert.That(
            _calls, Is.EqualTo(new[] { "near open", "near has", "far chunks", "far open", "near write", "near complete", "near open" }));
        _calls.Clear();
        Assert.That(await ReadAllAsync(cache), Is.EqualTo(Content));
        Assert.That(_calls, Is.EqualTo(new[] { "near open" }));
    }

    [Test]
    public async Task OpenRead_FarInChunks_FetchesThoseThatAreNotNearAndStoresTheWhole()
    {
        ChunkingTestBlobService far = new(1000);
        await ((IBlobService)far).PutAsync(Content);
        B3Digest third = await _nearBlobs.PutAsync(Content.AsMemory(2000, 1000));
        CachingBlobService cache = new(_nearBlobs, far);

        Assert.That(await ReadAllAsync(cache), Is.EqualTo(Content));

        Assert.That(far.Calls, Has.Count.EqualTo(4).And.None.Contains(third.ToString()).And.None.Contains(Digest.ToString()));
        Assert.That(await _nearBlobs.HasAsync(Digest), Is.True);
        Assert.That(await _nearBlobs.HasAsync(Blake3Hasher.HashData(Content.AsSpan(0, 1000))), Is.False, "chunks come as parts of the whole");
    }

    [Test]
    public async Task GetChunks_FarInChunks_TellsOnePieceSoThatTheWholeComesNear()
    {
        ChunkingTestBlobService far = new(1000);
        await ((IBlobService)far).PutAsync(Content);
        CachingBlobService cache = new(_nearBlobs, far);

        Assert.That(await cache.GetChunksAsync(Digest), Is.EqualTo(new[] { new BlobChunk(Digest, (ulong)Content.Length) }));
        Assert.That(await ReadAllAsync(cache), Is.EqualTo(Content));
        Assert.That(await _nearBlobs.HasAsync(Digest), Is.True);
    }

    [Test]
    public async Task Read_OnlyFar_TakesOneCallOfEach()
    {
        await _farBlobs.PutAsync(Content);
        CachingBlobService cache = new(_near, _far);
        using BlobContent? content = await cache.ReadAsync(Digest, Content.Length);
        Assert.That(content!.Memory.ToArray(), Is.EqualTo(Content));
        Assert.That(_calls, Is.EqualTo(new[] { "near read", "near has", "far read", "near put", "near read" }));
    }

    [Test]
    public async Task Read_LongerThanTheLimit_FetchesNothing([Values(10, 2 << 20)] int limit)
    {
        byte[] content = SampleData.Bytes(limit + 1);
        B3Digest digest = await _farBlobs.PutAsync(content);
        CachingBlobService cache = new(_near, _far);
        Assert.That(async () => await cache.ReadAsync(digest, limit), Throws.InstanceOf<BlobTooLongException>());
        Assert.That(await _nearBlobs.HasAsync(digest), Is.False);
        Assert.That(_calls, Has.None.StartsWith("near write").And.None.StartsWith("near put"));
    }

    [Test]
    public async Task OpenRead_WhileAReadWithATooSmallLimitIsUnderWay_StillGivesTheBlob()
    {
        await _farBlobs.PutAsync(Content);
        CachingBlobService cache = new(_near, _far);
        SyncPoint atFar = new();
        _far.Before = (call, _) => call == "read" ? atFar.StopAsync() : Task.CompletedTask;
        Task<BlobContent?> tooSmall = cache.ReadAsync(Digest, 10).AsTask();
        await atFar.Reached;
        Task<byte[]> whole = ReadAllAsync(cache);
        Assert.That(whole.IsCompleted, Is.False);

        atFar.Continue();

        Assert.That(async () => await tooSmall, Throws.InstanceOf<BlobTooLongException>());
        Assert.That(await whole, Is.EqualTo(Content));
    }

    [Test]
    public async Task OpenRead_NeitherNearNorFar_IsAbsentAndNotRemembered()
    {
        CachingBlobService cache = new(_near, _far);
        Assert.That(await cache.OpenReadAsync(Digest), Is.Null);
        Assert.That(await cache.ReadAsync(Digest, 10_000), Is.Null);
        await _farBlobs.PutAsync(Content);
        Assert.That(await ReadAllAsync(cache), Is.EqualTo(Content));
    }

    [Test]
    public async Task Read_FarDeliversSomethingElse_IsRejectedAndNotStored([Values] bool asStream)
    {
        await _farBlobs.PutAsync(Content);
        _far.Forged = SampleData.Bytes(5000, seed: 2);
        CachingBlobService cache = new(_near, _far);

        Assert.That(
            async () =>
            {
                if (asStream)
                {
                    await cache.OpenReadAsync(Digest);
                }
                else
                {
                    await cache.ReadAsync(Digest, 5000);
                }
            },
            Throws.InstanceOf<DigestMismatchException>().With.Property(nameof(DigestMismatchException.Expected)).EqualTo(Digest));
        Assert.That(await _nearBlobs.HasAsync(Digest), Is.False);
        Assert.That(await _nearBlobs.HasAsync(Blake3Hasher.HashData(_far.Forged)), Is.False);

        _far.Forged = null;
        Assert.That(await ReadAllAsync(cache), Is.EqualTo(Content), "the failure is not remembered");
    }

    [Test]
    public async Task OpenRead_FarEndsTooEarly_StoresNothing()
    {
        await _farBlobs.PutAsync(Content);
        _far.Forged = Content[..4000];
        CachingBlobService cache = new(_near, _far);
        Assert.That(async () => await cache.OpenReadAsync(Digest), Throws.InstanceOf<DigestMismatchException>());
        Assert.That(await _nearBlobs.HasAsync(Blake3Hasher.HashData(_far.Forged)), Is.False, "never half a blob");
    }

    [Test]
    public async Task Anything_NearFails_DoesNotFallThrough()
    {
        await _farBlobs.PutAsync(Content);
        CachingBlobService cache = new(new FailingBlobService(), _far, CacheWrites.Near);
        Assert.That(async () => await cache.HasAsync(Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.OpenReadAsync(Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.GetChunksAsync(Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.ReadAsync(Digest, 10_000), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.PutAsync(Content), Throws.InstanceOf<StorageException>());
        Assert.That(_calls, Is.Empty);
    }

    [Test]
    public void Anything_FarFails_IsNotAbsence()
    {
        CachingBlobService cache = new(_near, new FailingBlobService());
        Assert.That(async () => await cache.HasAsync(Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.OpenReadAsync(Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.GetChunksAsync(Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.ReadAsync(Digest, 10_000), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task OpenRead_NearCannotStore_Fails()
    {
        await _farBlobs.PutAsync(Content);
        _near.Before = (call, _) => call == "write" ? throw new StorageException("full") : Task.CompletedTask;
        CachingBlobService cache = new(_near, _far);
        Assert.That(async () => await cache.OpenReadAsync(Digest), Throws.InstanceOf<StorageException>().With.Message.EqualTo("full"));
    }

    [Test]
    public async Task Read_ManyAtOnce_FetchOnce()
    {
        await _farBlobs.PutAsync(Content);
        SyncPoint atFar = new();
        _far.Before = (call, _) => call is "open" or "read" ? atFar.StopAsync() : Task.CompletedTask;
        CachingBlobService cache = new(_near, _far);
        using CancellationTokenSource impatience = new();
        Task<Stream?> impatient = cache.OpenReadAsync(Digest, impatience.Token).AsTask();
        await atFar.Reached;
        Task<byte[]>[] readers = [.. Enumerable.Range(0, 10).Select(_ => ReadAllAsync(cache))];
        Task<BlobContent?> reader = cache.ReadAsync(Digest, 10_000).AsTask();

        await impatience.CancelAsync();
        Assert.That(async () => await impatient, Throws.InstanceOf<OperationCanceledException>());
        atFar.Continue();

        foreach (Task<byte[]> task in readers)
        {
            Assert.That(await task, Is.EqualTo(Content));
        }

        (await reader)!.Dispose();
        Assert.That(_calls.Count(call => call is "far open" or "far read"), Is.EqualTo(1));
    }

    [Test]
    public async Task Read_AllCancelled_CancelsTheFetch()
    {
        await _farBlobs.PutAsync(Content);
        TaskCompletionSource<CancellationToken> atFar = new();
        _far.Before = async (call, token) =>
        {
            if (call == "open" && atFar.TrySetResult(token))
            {
                await Task.Delay(Timeout.Infinite, token);
            }
        };
        CachingBlobService cache = new(_near, _far);
        using CancellationTokenSource impatience = new();
        Task<Stream?> impatient = cache.OpenReadAsync(Digest, impatience.Token).AsTask();
        CancellationToken fetch = await atFar.Task;

        await impatience.CancelAsync();

        Assert.That(async () => await impatient, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(fetch.IsCancellationRequested, Is.True);
        Assert.That(await ReadAllAsync(cache), Is.EqualTo(Content), "the next begins anew");
    }

    [Test]
    public async Task Write_AnyWay_GoesWhereItShould([Values] CacheWrites writes)
    {
        CachingBlobService cache = new(_near, _far, writes);
        B3Digest[] digests = new B3Digest[3];
        digests[0] = await cache.PutAsync(Content);
        await cache.PutManyAsync([Content.AsMemory(1)], digests.AsMemory(1));
        await using (BlobWriter writer = await cache.OpenWriteAsync())
        {
            await writer.WriteAsync(Content.AsMemory(2));
            digests[2] = await writer.CompleteAsync();
        }

        foreach (B3Digest digest in digests)
        {
            Assert.That(await _nearBlobs.HasAsync(digest), Is.EqualTo(writes != CacheWrites.Far));
            Assert.That(await _farBlobs.HasAsync(digest), Is.EqualTo(writes != CacheWrites.Near));
        }

        if (writes == CacheWrites.Both)
        {
            Assert.That(
                _calls,
                Is.EqualTo(new[]
                {
                    "far put", "near put", "far put many", "near put many", "far write", "near write", "far complete", "near complete",
                }));
        }
    }

    [Test]
    public async Task WriteBoth_FarFails_LeavesNothingNear()
    {
        _far.Before = (call, _) => call is "complete" or "put" or "put many" ? throw new StorageException("full") : Task.CompletedTask;
        CachingBlobService cache = new(_near, _far, CacheWrites.Both);
        Assert.That(async () => await cache.PutAsync(Content), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.PutManyAsync([Content], new B3Digest[1]), Throws.InstanceOf<StorageException>());
        await using (BlobWriter writer = await cache.OpenWriteAsync())
        {
            await writer.WriteAsync(Content);
            Assert.That(async () => await writer.CompleteAsync(), Throws.InstanceOf<StorageException>());
        }

        Assert.That(await _nearBlobs.HasAsync(Digest), Is.False);
    }

    [Test]
    public async Task WriteBoth_NearFailsToComplete_CanBeCompletedAgain()
    {
        bool isFull = true;
        _near.Before = (call, _) => call == "complete" && isFull ? throw new StorageException("full") : Task.CompletedTask;
        CachingBlobService cache = new(_near, _far, CacheWrites.Both);
        await using BlobWriter writer = await cache.OpenWriteAsync();
        await writer.WriteAsync(Content);
        Assert.That(async () => await writer.CompleteAsync(), Throws.InstanceOf<StorageException>());
        isFull = false;
        Assert.That(await writer.CompleteAsync(), Is.EqualTo(Digest));
        Assert.That(await _nearBlobs.HasAsync(Digest) && await _farBlobs.HasAsync(Digest), Is.True);
    }

    [Test]
    public async Task WriteBoth_OneMissesBytes_CannotBeCompleted([Values("near", "far")] string which)
    {
        (which == "near" ? _near : _far).Before = (call, _) => call == "bytes" ? throw new StorageException("full") : Task.CompletedTask;
        CachingBlobService cache = new(_near, _far, CacheWrites.Both);
        await using BlobWriter writer = await cache.OpenWriteAsync();
        Assert.That(async () => await writer.WriteAsync(Content), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await writer.CompleteAsync(), Throws.InstanceOf<StorageException>());
        Assert.That(await _nearBlobs.HasAsync(B3Digest.Empty) || await _farBlobs.HasAsync(B3Digest.Empty), Is.False);
        Assert.That(await _nearBlobs.HasAsync(Digest) || await _farBlobs.HasAsync(Digest), Is.False);
    }

    [Test]
    public async Task Reads_AreCountedAsHitsAndMisses()
    {
        using TelemetryListener listener = new("counted");
        await _farBlobs.PutAsync(Content);
        CachingBlobService cache = new(_near, _far) { Lookups = { Name = "counted" } };
        await ReadAllAsync(cache);
        await ReadAllAsync(cache);
        (await cache.ReadAsync(Digest, 10_000))!.Dispose();
        Assert.That(listener.Sum("tvix.castore.cache.lookups miss"), Is.EqualTo(1));
        Assert.That(listener.Sum("tvix.castore.cache.lookups hit"), Is.EqualTo(2));
    }

    [Test]
    public void Constructor_Nonsense_Throws()
    {
        Assert.That(() => new CachingBlobService(null!, _far), Throws.ArgumentNullException);
        Assert.That(() => new CachingBlobService(_near, null!), Throws.ArgumentNullException);
        Assert.That(() => new CachingBlobService(_near, _far, (CacheWrites)3), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static async Task<byte[]> ReadAllAsync(IBlobService service)
    {
        await using Stream stream = (await service.OpenReadAsync(Digest))!;
        using MemoryStream copy = new();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }
}
