using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Testing;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Directories;

[TestFixture]
[TestOf(typeof(CachingDirectoryService))]
public sealed class CachingDirectoryServiceTests
{
    [Test]
    public async Task Get_OnlyFar_BringsTheWholeClosureNear([Values] bool asClosure)
    {
        SampleTree tree = SampleTrees.Diamond(6);
        ScriptedDirectoryService far = new(await StoredAsync(tree.LeavesToRoot));
        MemoryDirectoryService near = new();
        CachingDirectoryService cache = new(near, far);
        for (int i = 0; i < 3; i++)
        {
            if (asClosure)
            {
                Assert.That(await cache.GetClosureAsync(tree.Root.Digest).ToListAsync(), Is.EqualTo(tree.LeavesToRoot.Reverse()));
            }
            else
            {
                Assert.That(await cache.GetAsync(tree.Root.Digest), Is.EqualTo(tree.Root));
            }
        }

        Assert.That(far.Calls, Is.EqualTo(new[] { $"closure {tree.Root.Digest}" }), "far is asked once");
        foreach (CastoreDirectory directory in tree.LeavesToRoot)
        {
            Assert.That(await near.GetAsync(directory.Digest), Is.EqualTo(directory));
        }
    }

    [Test]
    public async Task Get_NeitherNearNorFar_IsAbsentAndNotRemembered()
    {
        MemoryDirectoryService far = new();
        CachingDirectoryService cache = new(new MemoryDirectoryService(), far);
        Assert.That(await cache.GetAsync(SampleTrees.Keep.Digest), Is.Null);
        Assert.That(await cache.GetClosureAsync(SampleTrees.Keep.Digest).ToListAsync(), Is.Empty);

        await far.PutAsync(SampleTrees.Keep);
        Assert.That(await cache.GetAsync(SampleTrees.Keep.Digest), Is.EqualTo(SampleTrees.Keep));
    }

    [Test]
    public async Task Get_FarSendsAnotherTree_StoresNothing()
    {
        // The far service answers with directories nobody asked for.
        CastoreDirectory[] answer = [SampleTrees.OneEmptyChild, SampleTrees.Empty];
        await AssertRejectsAsync(SampleTrees.Keep.Digest, answer, DirectoryError.WrongOrder);
    }

    [Test]
    public async Task Get_FarSendsWrongSizes_StoresNothing()
    {
        CastoreDirectory wrong = SampleTrees.Make(("foo", new Node.Directory(SampleTrees.Empty.Digest, 42)));
        await AssertRejectsAsync(wrong.Digest, [wrong, SampleTrees.Empty], DirectoryError.WrongSize);
    }

    [Test]
    public async Task Get_FarSendsOnlyAPart_StoresNothing() =>
        await AssertRejectsAsync(SampleTrees.Complicated.Digest, [SampleTrees.Complicated], DirectoryError.NotConnected);

    [Test]
    public async Task Write_AnyWay_GoesWhereItShould([Values] CacheWrites writes)
    {
        MemoryDirectoryService near = new();
        MemoryDirectoryService far = new();
        CachingDirectoryService cache = new(near, far, writes);
        await cache.PutAsync(SampleTrees.Empty);
        await using (DirectoryPutter putter = cache.OpenPutter())
        {
            await putter.PutAsync(SampleTrees.Keep);
            await putter.CompleteAsync();
        }

        foreach (CastoreDirectory directory in new[] { SampleTrees.Empty, SampleTrees.Keep })
        {
            Assert.That(await near.GetAsync(directory.Digest), Is.EqualTo(writes != CacheWrites.Far ? directory : null));
            Assert.That(await far.GetAsync(directory.Digest), Is.EqualTo(writes != CacheWrites.Near ? directory : null));
        }
    }

    [Test]
    public async Task WriteBoth_FarFails_LeavesNothingNear()
    {
        MemoryDirectoryService near = new();
        CachingDirectoryService cache = new(near, new ScriptedDirectoryService(null), CacheWrites.Both);
        Assert.That(async () => await cache.PutAsync(SampleTrees.Keep), Throws.InstanceOf<StorageException>());
        await using (DirectoryPutter putter = cache.OpenPutter())
        {
            await putter.PutAsync(SampleTrees.Keep);
            Assert.That(async () => await putter.CompleteAsync(), Throws.InstanceOf<StorageException>());
            Assert.That(async () => await putter.CompleteAsync(), Throws.InstanceOf<InvalidOperationException>());
        }

        Assert.That(await near.GetAsync(SampleTrees.Keep.Digest), Is.Null);
    }

    [Test]
    public async Task Get_ManyAtOnce_FetchOnce()
    {
        SampleTree tree = SampleTrees.Diamond(4);
        SyncPoint atFar = new();
        ScriptedDirectoryService far = new(await StoredAsync(tree.LeavesToRoot)) { Before = atFar };
        CachingDirectoryService cache = new(new MemoryDirectoryService(), far);
        using CancellationTokenSource impatience = new();
        Task<CastoreDirectory?> impatient = cache.GetAsync(tree.Root.Digest, impatience.Token).AsTask();
        await atFar.Reached;
        Task<CastoreDirectory?> single = cache.GetAsync(tree.Root.Digest).AsTask();
        Task<List<CastoreDirectory>> closure = cache.GetClosureAsync(tree.Root.Digest).ToListAsync().AsTask();

        await impatience.CancelAsync();
        Assert.That(async () => await impatient, Throws.InstanceOf<OperationCanceledException>());
        atFar.Continue();

        Assert.That(await single, Is.EqualTo(tree.Root));
        Assert.That(await closure, Is.EqualTo(tree.LeavesToRoot.Reverse()));
        Assert.That(far.Calls, Has.Count.EqualTo(1));
    }

    [Test]
    public void Get_FarFails_IsNotAbsence()
    {
        CachingDirectoryService cache = new(new MemoryDirectoryService(), new ScriptedDirectoryService(null));
        Assert.That(async () => await cache.GetAsync(SampleTrees.Keep.Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.GetClosureAsync(SampleTrees.Keep.Digest).ToListAsync(), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task Get_NearFails_DoesNotFallThrough()
    {
        ScriptedDirectoryService far = new(await StoredAsync([SampleTrees.Keep]));
        CachingDirectoryService cache = new(new ScriptedDirectoryService(null), far);
        Assert.That(async () => await cache.GetAsync(SampleTrees.Keep.Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.GetClosureAsync(SampleTrees.Keep.Digest).ToListAsync(), Throws.InstanceOf<StorageException>());
        Assert.That(far.Calls, Is.Empty);
    }

    private static async Task AssertRejectsAsync(B3Digest root, CastoreDirectory[] answer, DirectoryError error)
    {
        MemoryDirectoryService near = new();
        CachingDirectoryService cache = new(near, new ScriptedDirectoryService(null) { Closure = answer });
        Assert.That(
            async () => await cache.GetAsync(root),
            Throws.InstanceOf<InvalidDirectoryException>().With.Property(nameof(InvalidDirectoryException.Error)).EqualTo(error));
        Assert.That(async () => await cache.GetClosureAsync(root).ToListAsync(), Throws.InstanceOf<InvalidDirectoryException>());
        foreach (CastoreDirectory directory in answer)
        {
            Assert.That(await near.GetAsync(directory.Digest), Is.Null);
        }
    }

    private static async Task<IDirectoryService> StoredAsync(IEnumerable<CastoreDirectory> directories)
    {
        MemoryDirectoryService service = new();
        foreach (CastoreDirectory directory in directories)
        {
            await service.PutAsync(directory);
        }

        return service;
    }

    /// <summary>Notes what it is asked, then asks another service, gives a prepared closure, or fails.</summary>
    private sealed class ScriptedDirectoryService(IDirectoryService? inner) : IDirectoryService
    {
        public List<string> Calls { get; } = [];

        public CastoreDirectory[]? Closure { get; init; }

        /// <summary>Where reading a closure stops.</summary>
        public SyncPoint? Before { get; init; }

        public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
        {
            Calls.Add($"get {digest}");
            return Inner.GetAsync(digest, cancellationToken);
        }

        public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) =>
            Inner.PutAsync(directory, cancellationToken);

        public IAsyncEnumerable<CastoreDirectory> GetClosureAsync(B3Digest root, CancellationToken cancellationToken = default)
        {
            Calls.Add($"closure {root}");
            return Before is null
                ? Closure?.ToAsyncEnumerable() ?? Inner.GetClosureAsync(root, cancellationToken)
                : StopAndGetClosureAsync(Before, root);
        }

        private async IAsyncEnumerable<CastoreDirectory> StopAndGetClosureAsync(SyncPoint before, B3Digest root)
        {
            await before.StopAsync();
            await foreach (CastoreDirectory directory in Inner.GetClosureAsync(root))
            {
                yield return directory;
            }
        }

        private IDirectoryService Inner => inner ?? throw new StorageException("down");
    }
}
