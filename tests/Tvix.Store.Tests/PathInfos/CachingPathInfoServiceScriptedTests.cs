using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
[TestOf(typeof(CachingPathInfoService))]
public sealed class CachingPathInfoServiceScriptedTests
{
    private static readonly PathInfo Sample = SamplePathInfos.Full;
    private static readonly PathInfo Newer = Sample with { Signatures = [] };
    private static readonly StorePathDigest Digest = Sample.StorePath.Digest;

    private readonly List<string> _calls = [];
    private readonly MemoryPathInfoService _nearInfos = new();
    private readonly MemoryPathInfoService _farInfos = new();
    private readonly ScriptedService _near;
    private readonly ScriptedService _far;

    public CachingPathInfoServiceScriptedTests()
    {
        _near = new ScriptedService(_nearInfos, "near", _calls);
        _far = new ScriptedService(_farInfos, "far", _calls);
    }

    [Test]
    public async Task Get_OnlyFar_IsFetchedOnceAndStaysNear()
    {
        await _farInfos.PutAsync(Sample);
        CachingPathInfoService cache = new(_near, _far);

        Assert.That(await cache.GetAsync(Digest), Is.EqualTo(Sample));
        Assert.That(_calls, Is.EqualTo(new[] { "near get", "far get", "near get", "near put" }));
        _calls.Clear();
        Assert.That(await cache.GetAsync(Digest), Is.EqualTo(Sample));
        Assert.That(_calls, Is.EqualTo(new[] { "near get" }));
    }

    [Test]
    public async Task Get_NearSigns_GivesWhatIsStored()
    {
        await _farInfos.PutAsync(Sample);
        CachingPathInfoService cache = new(new SigningPathInfoService(_near, SigningKey.Generate("test-1")), _far);
        PathInfo? first = await cache.GetAsync(Digest);
        Assert.That(first!.Signatures, Has.Count.EqualTo(Sample.Signatures.Count + 1));
        Assert.That(await cache.GetAsync(Digest), Is.EqualTo(first));
    }

    [Test]
    public async Task Get_NeitherNearNorFar_IsAbsentAndNotRemembered()
    {
        CachingPathInfoService cache = new(_near, _far);
        Assert.That(await cache.GetAsync(Digest), Is.Null);
        await _farInfos.PutAsync(Sample);
        Assert.That(await cache.GetAsync(Digest), Is.EqualTo(Sample));
    }

    [Test]
    public async Task Anything_NearFails_DoesNotFallThrough()
    {
        await _farInfos.PutAsync(Sample);
        _near.Before = _ => throw new StorageException("down");
        CachingPathInfoService cache = new(_near, _far);
        Assert.That(async () => await cache.GetAsync(Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cache.PutAsync(Sample), Throws.InstanceOf<StorageException>());
        Assert.That(_calls, Has.None.StartsWith("far"));
    }

    [Test]
    public void Get_FarFails_IsNotAbsence()
    {
        _far.Before = _ => throw new StorageException("down");
        Assert.That(async () => await new CachingPathInfoService(_near, _far).GetAsync(Digest), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task Get_ManyAtOnce_FetchOnce()
    {
        await _farInfos.PutAsync(Sample);
        SyncPoint atFar = new();
        _far.Before = _ => atFar.StopAsync();
        CachingPathInfoService cache = new(_near, _far);
        using CancellationTokenSource impatience = new();
        Task<PathInfo?> impatient = cache.GetAsync(Digest, impatience.Token).AsTask();
        await atFar.Reached;
        Task<PathInfo?>[] readers = [.. Enumerable.Range(0, 10).Select(_ => cache.GetAsync(Digest).AsTask())];

        await impatience.CancelAsync();
        Assert.That(async () => await impatient, Throws.InstanceOf<OperationCanceledException>());
        atFar.Continue();

        Assert.That(await Task.WhenAll(readers), Is.All.EqualTo(Sample));
        Assert.That(_calls.Count(call => call == "far get"), Is.EqualTo(1));
    }

    [Test]
    public async Task Put_WhileAnOlderOneIsFetched_IsNotOverwritten([Values] CacheWrites writes)
    {
        await _farInfos.PutAsync(Sample);
        SyncPoint fetched = new();
        bool isFirst = true;
        _far.After = call =>
        {
            bool stops = call == "get" && isFirst;
            isFirst &= !stops;
            return stops ? fetched.StopAsync() : Task.CompletedTask;
        };
        CachingPathInfoService cache = new(_near, _far, writes);
        Task<PathInfo?> reader = cache.GetAsync(Digest).AsTask();
        await fetched.Reached;

        await cache.PutAsync(Newer);
        fetched.Continue();

        Assert.That(await reader, Is.EqualTo(Newer));
        Assert.That(await cache.GetAsync(Digest), Is.EqualTo(Newer));
        Assert.That(await _nearInfos.GetAsync(Digest), Is.EqualTo(Newer));
    }

    [Test]
    public async Task Put_AnyWay_GoesWhereItShould([Values] CacheWrites writes)
    {
        CachingPathInfoService cache = new(_near, _far, writes);
        await cache.PutAsync(Sample);
        Assert.That(_calls.Where(call => call.EndsWith("put", StringComparison.Ordinal)), Is.EqualTo(writes switch
        {
            CacheWrites.Near => ["near put"],
            CacheWrites.Far => ["far put"],
            _ => (string[])["far put", "near put"],
        }));
    }

    [Test]
    public async Task PutFar_OlderOneIsNear_ReplacesIt()
    {
        await _nearInfos.PutAsync(Sample);
        await new CachingPathInfoService(_near, _far, CacheWrites.Far).PutAsync(Newer);
        Assert.That(await _nearInfos.GetAsync(Digest), Is.EqualTo(Newer));
        Assert.That(await _farInfos.GetAsync(Digest), Is.EqualTo(Newer));
    }

    [Test]
    public async Task PutBoth_FarFails_LeavesNothingNear()
    {
        _far.Before = _ => throw new StorageException("down");
        Assert.That(async () => await new CachingPathInfoService(_near, _far, CacheWrites.Both).PutAsync(Sample), Throws.InstanceOf<StorageException>());
        Assert.That(await _nearInfos.GetAsync(Digest), Is.Null);
    }

    [Test]
    public async Task List_SomeInBoth_GivesEachOnceAndNearFirst()
    {
        foreach (int i in new[] { 1, 2 })
        {
            await _nearInfos.PutAsync(SamplePathInfos.Numbered(i) with { NarSize = 4711 });
        }

        foreach (int i in new[] { 2, 3 })
        {
            await _farInfos.PutAsync(SamplePathInfos.Numbered(i));
        }

        List<PathInfo> list = await new CachingPathInfoService(_near, _far).ListAsync().ToListAsync();

        Assert.That(list.Take(2), Is.EquivalentTo(new[] { 1, 2 }.Select(i => SamplePathInfos.Numbered(i) with { NarSize = 4711 })));
        Assert.That(list.Skip(2), Is.EqualTo(new[] { SamplePathInfos.Numbered(3) }));
        Assert.That(await _nearInfos.GetAsync(SamplePathInfos.Numbered(3).StorePath.Digest), Is.Null, "listing stores nothing");
    }

    [Test]
    public void List_FarCannot_SaysSoAtOnce()
    {
        _far.CannotList = true;
        Assert.That(() => new CachingPathInfoService(_near, _far).ListAsync(), Throws.TypeOf<NotSupportedException>());
    }

    private sealed class ScriptedService(IPathInfoService inner, string name, List<string> calls) : IPathInfoService
    {
        public Func<string, Task>? Before { get; set; }

        public Func<string, Task>? After { get; set; }

        public bool CannotList { get; set; }

        public async ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
        {
            await NoteAsync("get");
            PathInfo? pathInfo = await inner.GetAsync(digest, cancellationToken);
            await (After?.Invoke("get") ?? Task.CompletedTask);
            return pathInfo;
        }

        public async ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
        {
            await NoteAsync("put");
            return await inner.PutAsync(pathInfo, cancellationToken);
        }

        public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) =>
            CannotList ? throw new NotSupportedException() : inner.ListAsync(cancellationToken);

        private Task NoteAsync(string call)
        {
            lock (calls)
            {
                calls.Add($"{name} {call}");
            }

            return Before?.Invoke(call) ?? Task.CompletedTask;
        }
    }
}
