using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Nar;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture]
public sealed class CachingNarCalculationServiceTests
{
    [Test]
    public async Task Calculate_EqualNodes_AreCalculatedOnce()
    {
        Scripted inner = new();
        CachingNarCalculationService cache = new(inner, 10, 1);
        NarDigest first = await cache.CalculateAsync(Link("a"));
        Assert.That(await cache.CalculateAsync(Link("a")), Is.EqualTo(first));
        Assert.That(await cache.CalculateAsync(Link("b")), Is.Not.EqualTo(first));
        Assert.That(inner.Calls, Is.EqualTo(2));
    }

    [Test]
    public async Task Calculate_NodesThatDifferInOneField_AreDifferent()
    {
        Scripted inner = new();
        CachingNarCalculationService cache = new(inner, 10, 1);
        Node.File file = new(default, 1, false);
        Node[] nodes = [file, file with { Executable = true }, file with { Size = 2 }, file with { Digest = B3Digest.Empty }, new Node.Directory(default, 1)];
        foreach (Node node in nodes.Concat(nodes))
        {
            await cache.CalculateAsync(node);
        }

        Assert.That(inner.Calls, Is.EqualTo(nodes.Length));
    }

    [Test]
    public async Task Calculate_MoreThanFit_ForgetsTheLeastRecentlyUsed()
    {
        Scripted inner = new();
        CachingNarCalculationService cache = new(inner, 2, 1);
        foreach (string target in (string[])["a", "b", "a", "c"])
        {
            await cache.CalculateAsync(Link(target));
        }

        Assert.That(inner.Calls, Is.EqualTo(3));
        await cache.CalculateAsync(Link("a"));
        Assert.That(inner.Calls, Is.EqualTo(3), "a was used after b");
        await cache.CalculateAsync(Link("b"));
        Assert.That(inner.Calls, Is.EqualTo(4));
    }

    [Test]
    public async Task Calculate_ManyWait_OneThatLeavesDisturbsNobody()
    {
        Scripted inner = new() { Gate = new(TaskCreationOptions.RunContinuationsAsynchronously) };
        CachingNarCalculationService cache = new(inner, 10, 1);
        using CancellationTokenSource stop = new();
        Task<NarDigest> leaves = cache.CalculateAsync(Link("a"), stop.Token).AsTask();
        Task<NarDigest>[] stay = [.. Enumerable.Range(0, 64).Select(_ => cache.CalculateAsync(Link("a")).AsTask())];
        await stop.CancelAsync();
        Assert.That(async () => await leaves, Throws.InstanceOf<OperationCanceledException>());
        inner.Gate.SetResult();
        Assert.That((await Task.WhenAll(stay)).Distinct().Count(), Is.EqualTo(1));
        Assert.That(inner.Calls, Is.EqualTo(1));
    }

    [Test]
    public async Task Calculate_AllLeave_StopsAndBeginsAnewForTheNext()
    {
        Scripted inner = new() { Gate = new(TaskCreationOptions.RunContinuationsAsynchronously) };
        CachingNarCalculationService cache = new(inner, 10, 1);
        using CancellationTokenSource stop = new();
        Task<NarDigest>[] all = [.. Enumerable.Range(0, 3).Select(_ => cache.CalculateAsync(Link("a"), stop.Token).AsTask())];
        await inner.Started;
        await stop.CancelAsync();
        await inner.Cancelled;
        foreach (Task<NarDigest> one in all)
        {
            Assert.That(async () => await one, Throws.InstanceOf<OperationCanceledException>());
        }

        inner.Gate.SetResult();
        await cache.CalculateAsync(Link("a"));
        Assert.That(inner.Calls, Is.EqualTo(2));
    }

    [Test]
    public async Task Calculate_Fails_TellsAllAndForgets()
    {
        Scripted inner = new() { Gate = new(TaskCreationOptions.RunContinuationsAsynchronously) };
        CachingNarCalculationService cache = new(inner, 10, 1);
        Task<NarDigest>[] all = [.. Enumerable.Range(0, 3).Select(_ => cache.CalculateAsync(Link("a")).AsTask())];
        inner.Gate.SetException(new InvalidDataException("x"));
        foreach (Task<NarDigest> one in all)
        {
            Assert.That(async () => await one, Throws.TypeOf<InvalidDataException>());
        }

        inner.Gate = null;
        await cache.CalculateAsync(Link("a"));
        Assert.That(inner.Calls, Is.EqualTo(2));
    }

    [Test]
    public async Task Calculate_MoreThanMayGoOn_Waits()
    {
        Scripted inner = new() { Gate = new(TaskCreationOptions.RunContinuationsAsynchronously) };
        CachingNarCalculationService cache = new(inner, 10, 2);
        Task<NarDigest>[] all = [.. Enumerable.Range(0, 10).Select(i => cache.CalculateAsync(Link($"{i}")).AsTask())];
        inner.Gate.SetResult();
        await Task.WhenAll(all);
        Assert.That(inner.Calls, Is.EqualTo(10));
        Assert.That(inner.MostAtOnce, Is.InRange(1, 2));
    }

    private static Node Link(string target) => new Node.Symlink(new SymlinkTarget(target));

    private sealed class Scripted : INarCalculationService
    {
        private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _calls;
        private int _now;

        public TaskCompletionSource? Gate { get; set; }

        public Task Started => _started.Task;

        public Task Cancelled => _cancelled.Task;

        public int Calls => _calls;

        public int MostAtOnce { get; private set; }

        public async ValueTask<NarDigest> CalculateAsync(Node root, CancellationToken cancellationToken = default)
        {
            ulong number = (ulong)Interlocked.Increment(ref _calls);
            int now = Interlocked.Increment(ref _now);
            lock (this)
            {
                MostAtOnce = Math.Max(MostAtOnce, now);
            }

            try
            {
                _started.TrySetResult();
                await (Gate?.Task ?? Task.CompletedTask).WaitAsync(cancellationToken);
                return new NarDigest(number, default);
            }
            catch (OperationCanceledException)
            {
                _cancelled.TrySetResult();
                throw;
            }
            finally
            {
                Interlocked.Decrement(ref _now);
            }
        }
    }
}
