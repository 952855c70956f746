using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.Copy;
using Tvix.Store.Tests.Nar;
using Tvix.Testing.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.BinaryCaches;

[TestFixture]
public sealed class BinaryCachePathInfoServiceTests : PathInfoServiceContract
{
    // What is stored must have contents, so the samples of the contract cannot be.
    protected override bool CanPut => false;

    protected override bool CanList => false;

    [Test]
    public async Task Get_FetchesOnceForAllWhoAsk()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        SyncPoint gate = GateNar(sample, 1000);
        BinaryCachePathInfoService service = sample.OpenService();
        Task<PathInfo?>[] all = [.. Enumerable.Range(0, 5).Select(_ => service.GetAsync(info.StorePath.Digest).AsTask())];
        await gate.Reached;
        Assert.That(all.Any(task => task.IsCompleted), Is.False);
        gate.Continue();
        foreach (Task<PathInfo?> one in all)
        {
            await sample.AssertIsThereAsync(await one);
        }

        Assert.That(sample.Files.CountOf("open nar"), Is.EqualTo(1));
    }

    [Test]
    public async Task Get_CancelledByOne_GoesOnForTheOther()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        SyncPoint gate = GateNar(sample, 1000);
        BinaryCachePathInfoService service = sample.OpenService();
        using CancellationTokenSource stop = new();
        Task<PathInfo?> first = service.GetAsync(info.StorePath.Digest, stop.Token).AsTask();
        Task<PathInfo?> second = service.GetAsync(info.StorePath.Digest).AsTask();
        await gate.Reached;
        await stop.CancelAsync();
        Assert.That(async () => await first, Throws.InstanceOf<OperationCanceledException>());
        gate.Continue();
        await sample.AssertIsThereAsync(await second);
        Assert.That(sample.Files.CountOf("open nar"), Is.EqualTo(1));
    }

    [Test]
    public async Task Get_CancelledByAll_StopsTheDownload()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        TaskCompletionSource reached = new();
        TaskCompletionSource stopped = new();
        sample.Files.Read = (path, inner) => path.StartsWith("nar/", StringComparison.Ordinal)
            ? new GatedStream(inner, 1000, async token =>
            {
                reached.TrySetResult();
                using CancellationTokenRegistration registration = token.Register(() => stopped.TrySetResult());
                await Task.Delay(Timeout.Infinite, token);
            })
            : inner;
        BinaryCachePathInfoService service = sample.OpenService();
        using CancellationTokenSource stop = new();
        Task<PathInfo?>[] all = [.. Enumerable.Range(0, 3).Select(_ => service.GetAsync(info.StorePath.Digest, stop.Token).AsTask())];
        await reached.Task;
        await stop.CancelAsync();
        await stopped.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.That(async () => await Task.WhenAll(all), Throws.InstanceOf<OperationCanceledException>());
        await sample.AssertNothingAsync();
        sample.Files.Read = null;
        await sample.AssertIsThereAsync(await service.GetAsync(info.StorePath.Digest));
    }

    [Test]
    public async Task Get_OfTheSameNarUnderAnotherPath_FetchesNothing()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo first = sample.Add("first");
        NarInfo second = sample.Add("second");
        BinaryCachePathInfoService service = sample.OpenService();
        Assert.That(await service.FindAsync(second.StorePath.Digest), Is.Null);
        await service.GetAsync(first.StorePath.Digest);
        PathInfo? found = await service.GetAsync(second.StorePath.Digest);
        Assert.That(found, Is.EqualTo(PathInfo.FromNarInfo(second, sample.Root)));
        Assert.That(await service.FindAsync(second.StorePath.Digest), Is.EqualTo(found));
        Assert.That(await service.OpenNarAsync(second.StorePath.Digest), Is.Null, "it is here");
        Assert.That(sample.Files.CountOf("open nar"), Is.EqualTo(1));
    }

    [Test]
    public async Task Get_OfTheSameNarWithAnAddressThatItDoesNotHave_IsRefused()
    {
        // Nothing but the address vouches for such a path. Whoever could have its contents replaced by those of a path that was fetched before could have any.
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo first = sample.Add("first", signed: true);
        ContentAddress other = ContentAddress.Nar(Sha256Digest.Compute("what was wanted"u8));
        NarInfo forged = sample.Add(path: StorePathBuilder.FromContentAddress("forged", other), address: other);
        ContentAddress own = ContentAddress.Nar(Sha256Digest.Compute(sample.Nar));
        NarInfo honest = sample.Add(path: StorePathBuilder.FromContentAddress("honest", own), address: own);
        BinaryCachePathInfoService service = sample.OpenService(options => options.TrustedKeys = new TrustedKeys([SampleCache.Key.PublicKey]));
        await sample.AssertIsThereAsync(await service.GetAsync(first.StorePath.Digest));

        Assert.That(await service.FindAsync(forged.StorePath.Digest), Is.Null);
        Assert.That(async () => await service.GetAsync(forged.StorePath.Digest), Throws.TypeOf<RefusedStorePathException>());
        Assert.That((await service.GetAsync(honest.StorePath.Digest))!.Node, Is.EqualTo(sample.Root));
        Assert.That(async () => await service.GetAsync(forged.StorePath.Digest), Throws.TypeOf<RefusedStorePathException>());
    }

    [Test]
    public async Task Get_OfTheSameNarWithAnotherLength_IsRefused()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo first = sample.Add("first");
        NarInfo second = sample.Add("second", narSize: (ulong)sample.Nar.Length + 8);
        BinaryCachePathInfoService service = sample.OpenService();
        await service.GetAsync(first.StorePath.Digest);
        Assert.That(async () => await service.GetAsync(second.StorePath.Digest), Throws.TypeOf<RefusedStorePathException>());
    }

    [Test]
    public async Task Get_OfMany_FetchesOnlySoManyAtATime()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo[] infos = [.. Enumerable.Range(0, 6).Select(i => sample.Add($"sample-{i}", nar: NarBytes.Archive(NarBytes.File($"{i}"))))];
        int now = 0, most = 0;
        SemaphoreSlim go = new(0);
        SemaphoreSlim reached = new(0);
        sample.Files.Before = async (call, token) =>
        {
            if (call.StartsWith("open nar/", StringComparison.Ordinal))
            {
                InterlockedMax(ref most, Interlocked.Increment(ref now));
                reached.Release();
                await go.WaitAsync(token);
                Interlocked.Decrement(ref now);
            }
        };
        BinaryCachePathInfoService service = sample.OpenService(options => options.ConcurrentFetches = 2);
        Task<PathInfo?>[] all = [.. infos.Select(info => service.GetAsync(info.StorePath.Digest).AsTask())];
        for (int i = 0; i < infos.Length; i++)
        {
            await reached.WaitAsync();
            go.Release();
        }

        Assert.That(await Task.WhenAll(all), Has.None.Null);
        Assert.That(most, Is.InRange(1, 2));
    }

    [Test]
    public async Task OpenNar_GivesBytesWhileTheyCome_AndTheLastWhenAllIsWell()
    {
        using TempFolder folder = new();
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        SyncPoint gate = GateNar(sample, 100_000);
        SyncPoint end = new();
        SlowDirectories directories = new(sample.Directories, end);
        BinaryCachePathInfoService service = new(sample.Open(options => options.TemporaryFolder = folder.Path), sample.Blobs, directories);
        await using Stream nar = (await service.OpenNarAsync(info.StorePath.Digest))!;
        byte[] start = new byte[50_000];
        await nar.ReadExactlyAsync(start);
        Assert.That(sample.Nar.AsSpan().StartsWith(start), Is.True, "while the rest has not come");
        gate.Continue();
        byte[] middle = new byte[sample.Nar.Length - 16 - start.Length];
        await nar.ReadExactlyAsync(middle);
        await end.Reached;
        ValueTask<int> read = nar.ReadAsync(new byte[16]);
        await Task.Yield();
        Assert.That(read.IsCompleted, Is.False, "while nothing is stored yet");
        await sample.AssertNothingAsync();
        end.Continue();
        Assert.That(await read, Is.EqualTo(16));
        Assert.That(await nar.ReadAsync(new byte[1]), Is.Zero);
        await sample.AssertIsThereAsync(await service.GetAsync(info.StorePath.Digest));
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty);
        Assert.That(sample.Files.CountOf("open nar"), Is.EqualTo(1));
    }

    [Test]
    public async Task OpenNar_OfAShortNar_GivesItWhenAllIsWell()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add(nar: NarBytes.EmptyFile);
        await using Stream nar = (await sample.OpenService().OpenNarAsync(info.StorePath.Digest))!;
        Assert.That(await ReadAllAsync(nar), Is.EqualTo(NarBytes.EmptyFile));
    }

    [TestCase("hash")]
    [TestCase("long")]
    [TestCase("short")]
    [TestCase("cut")]
    [TestCase("directories")]
    public async Task OpenNar_OfAWrongNar_NeverGivesAllOfIt(string what)
    {
        SampleCache sample = await SampleCache.NewAsync();
        byte[] nar = sample.Nar;
        byte[] altered = [.. nar];
        altered[nar.AsSpan().IndexOf("#!/bin/sh"u8)] ^= 1;
        NarInfo info = what switch
        {
            "hash" => sample.Add(file: altered),
            "long" => sample.Add(file: [.. nar, .. new byte[8]]),
            "short" => sample.Add(file: nar[..^8]),
            _ => sample.Add(),
        };
        if (what == "cut")
        {
            sample.Files.Read = (path, inner) => path.StartsWith("nar/", StringComparison.Ordinal) ? new GatedStream(inner, nar.Length - 1, _ => throw new IOException("cut")) : inner;
        }

        SyncPoint open = new();
        open.Continue();
        IDirectoryService directories = what == "directories" ? new SlowDirectories(sample.Directories, open) { Failure = new StorageException("full") } : sample.Directories;
        BinaryCachePathInfoService service = new(sample.Open(), sample.Blobs, directories);
        await using Stream? stream = await service.OpenNarAsync(info.StorePath.Digest);
        MemoryStream got = new();
        Assert.That(async () => await stream!.CopyToAsync(got), Throws.InstanceOf<IOException>());
        Assert.That(got.Length, Is.LessThan((long)info.NarSize));
        await sample.AssertNothingAsync();
    }

    [Test]
    public async Task OpenNar_ByReadersOfDifferentSpeeds_GivesAllToEach()
    {
        using TempFolder folder = new();
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        SyncPoint gate = GateNar(sample, 200_000);
        BinaryCachePathInfoService service = sample.OpenService(options => options.TemporaryFolder = folder.Path);
        Stream fast = (await service.OpenNarAsync(info.StorePath.Digest))!;
        Stream slow = (await service.OpenNarAsync(info.StorePath.Digest))!;
        Stream leaving = (await service.OpenNarAsync(info.StorePath.Digest))!;
        Assert.That(await leaving.ReadAsync(new byte[10]), Is.Positive);
        await leaving.DisposeAsync();
        await leaving.DisposeAsync();
        Assert.That(async () => await leaving.ReadAsync(new byte[10]), Throws.TypeOf<ObjectDisposedException>());
        gate.Continue();
        Assert.That(await ReadAllAsync(fast), Is.EqualTo(sample.Nar));
        await fast.DisposeAsync();
        MemoryStream all = new();
        byte[] piece = new byte[997];
        for (int count; (count = await slow.ReadAsync(piece)) > 0;)
        {
            all.Write(piece, 0, count);
        }

        await slow.DisposeAsync();
        Assert.That(all.ToArray(), Is.EqualTo(sample.Nar));
        Assert.That(sample.Files.CountOf("open nar"), Is.EqualTo(1));
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public async Task OpenNar_WhenTheOnlyReaderLeaves_StopsTheDownload()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        TaskCompletionSource stopped = new();
        sample.Files.Read = (path, inner) => path.StartsWith("nar/", StringComparison.Ordinal)
            ? new GatedStream(inner, 1000, async token =>
            {
                using CancellationTokenRegistration registration = token.Register(() => stopped.TrySetResult());
                await Task.Delay(Timeout.Infinite, token);
            })
            : inner;
        Stream nar = (await sample.OpenService().OpenNarAsync(info.StorePath.Digest))!;
        await nar.ReadExactlyAsync(new byte[500]);
        await nar.DisposeAsync();
        await stopped.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await sample.AssertNothingAsync();
    }

    [Test]
    public async Task OpenNar_WhileAFetchThatWasGivenUpEnds_GivesTheWholeNar()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        SyncPoint ending = new();
        TaskCompletionSource cancelled = new();
        int opened = 0;
        sample.Files.Read = (path, inner) => path.StartsWith("nar/", StringComparison.Ordinal) && Interlocked.Increment(ref opened) == 1
            ? new GatedStream(inner, 100_000, async token =>
            {
                using CancellationTokenRegistration registration = token.Register(() => cancelled.TrySetResult());
                await ending.StopAsync(); // takes no notice of being cancelled
                token.ThrowIfCancellationRequested();
            })
            : inner;
        BinaryCachePathInfoService service = sample.OpenService();
        Stream first = (await service.OpenNarAsync(info.StorePath.Digest))!;
        await ending.Reached;
        await first.DisposeAsync();
        await cancelled.Task;

        await using Stream second = (await service.OpenNarAsync(info.StorePath.Digest))!;
        Task<byte[]> all = ReadAllAsync(second);
        ending.Continue();
        Assert.That(await all, Is.EqualTo(sample.Nar));
        Assert.That(opened, Is.EqualTo(2));
    }

    [Test]
    public async Task OpenNar_TooLate_IsNullAndThePathInfoIsThere()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        SyncPoint gate = GateNar(sample, 1000);
        BinaryCachePathInfoService service = sample.OpenService();
        Task<PathInfo?> get = service.GetAsync(info.StorePath.Digest).AsTask();
        await gate.Reached;
        Task<Stream?> late = service.OpenNarAsync(info.StorePath.Digest).AsTask();
        await Task.Yield();
        Assert.That(late.IsCompleted, Is.False);
        gate.Continue();
        Assert.That(await late, Is.Null);
        Assert.That(await service.FindAsync(info.StorePath.Digest), Is.EqualTo(await get));
        Assert.That(await service.OpenNarAsync(default), Is.Null, "of an unknown path");
    }

    [Test]
    public async Task OpenNar_ThatCannotBegin_Fails()
    {
        using TempFolder folder = new();
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        BinaryCachePathInfoService service = sample.OpenService(options => options.TemporaryFolder = folder["none"]);
        Assert.That(async () => await service.OpenNarAsync(info.StorePath.Digest), Throws.TypeOf<StorageException>().With.Message.Contains("none"));
        await sample.AssertIsThereAsync(await service.GetAsync(info.StorePath.Digest)); // for which no file is needed
        sample.Files.Fail = call => call.StartsWith("open nar", StringComparison.Ordinal) ? new StorageException("down", isTransient: true) : null;
        NarInfo other = sample.Add("other", nar: NarBytes.Hello);
        Assert.That(async () => await service.OpenNarAsync(other.StorePath.Digest), Throws.TypeOf<StorageException>().With.Message.EqualTo("down"));
        using CancellationTokenSource stop = new();
        sample.Files.Fail = null;
        sample.Files.Before = (call, token) => call.StartsWith("open nar", StringComparison.Ordinal) ? stop.CancelAsync() : Task.CompletedTask;
        Assert.That(
            async () => await service.OpenNarAsync(sample.Add("third", nar: NarBytes.EmptyDir, file: []).StorePath.Digest, stop.Token),
            Throws.InstanceOf<OperationCanceledException>().Or.TypeOf<RefusedStorePathException>());
    }

    [Test]
    public async Task OpenNar_OpenedAndLeftByMany_NeverGivesAnythingElse()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        for (int round = 0; round < 20; round++)
        {
            BinaryCachePathInfoService service = sample.OpenService();
            await Parallel.ForAsync(0, 16, async (i, token) =>
            {
                await using Stream? nar = await service.OpenNarAsync(info.StorePath.Digest, token);
                if (i % 3 == 0)
                {
                    await (nar?.ReadAsync(new byte[i * 100], token) ?? default); // and leaves
                }
                else if (nar is not null)
                {
                    Assert.That((await ReadAllAsync(nar)).AsSpan().SequenceEqual(sample.Nar), Is.True);
                }
            });
        }
    }

    [Test]
    public async Task CachingService_OverIt_HasThePathInfoNearWhenTheNarEnds()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        MemoryPathInfoService near = new();
        CachingPathInfoService service = new(near, sample.OpenService());
        StorePathDigest digest = info.StorePath.Digest;

        Assert.That(await service.FindAsync(digest), Is.Null);
        Assert.That((await service.GetNarInfoAsync(digest))!.Url, Is.EqualTo(info.Url));
        Assert.That(await ListAsync(service), Is.Empty);
        Assert.That(sample.Files.CountOf("open nar"), Is.Zero);
        await using (Stream nar = (await service.OpenNarAsync(digest))!)
        {
            Assert.That(await ReadAllAsync(nar), Is.EqualTo(sample.Nar));
            await sample.AssertIsThereAsync(await near.GetAsync(digest));
        }

        Assert.That(await service.OpenNarAsync(digest), Is.Null, "it is near");
        Assert.That(await service.FindAsync(digest), Is.Not.Null);
        Assert.That((await ListAsync(service)).Select(item => item.StorePath), Is.EqualTo(new[] { info.StorePath }));
        sample.Files.Fail = _ => new StorageException("dead");
        await sample.AssertIsThereAsync(await service.GetAsync(digest));
        Assert.That((await service.GetNarInfoAsync(digest))!.NarHash, Is.EqualTo(info.NarHash));
        Assert.That(sample.Files.CountOf("open nar"), Is.EqualTo(1));
    }

    [Test]
    public async Task CachingService_OverIt_ListsTheDigestsOfBoth()
    {
        SampleCache sample = await SampleCache.NewAsync();
        StorePathDigest[] all = [.. Enumerable.Range(0, 3).Select(i => sample.Add($"sample-{i}").StorePath.Digest)];
        CachingPathInfoService service = new(new MemoryPathInfoService(), sample.OpenService());
        await service.GetAsync(all[1]);
        List<StorePathDigest> listed = [];
        await foreach (StorePathDigest digest in service.ListDigestsAsync())
        {
            listed.Add(digest);
        }

        Assert.That(listed, Is.EquivalentTo(all));
        Assert.That(sample.Files.CountOf("open nar"), Is.EqualTo(1));
    }

    [Test]
    public async Task List_OfACacheWithAList_FetchesAll()
    {
        SampleCache sample = await SampleCache.NewAsync();
        StorePath[] all = [.. Enumerable.Range(0, 3).Select(i => sample.Add($"sample-{i}").StorePath)];
        Assert.That((await ListAsync(sample.OpenService())).Select(info => info.StorePath), Is.EquivalentTo(all));
    }

    protected override async ValueTask<IPathInfoService> CreateAsync() => (await SampleCache.NewAsync(readOnly: true)).OpenService();

    /// <summary>The NAR stops after so many bytes.</summary>
    private static SyncPoint GateNar(SampleCache sample, long free)
    {
        SyncPoint gate = new();
        sample.Files.Read = (path, inner) => path.StartsWith("nar/", StringComparison.Ordinal) ? new GatedStream(inner, free, token => gate.StopAsync().WaitAsync(token)) : inner;
        return gate;
    }

    private static async Task<byte[]> ReadAllAsync(Stream stream)
    {
        MemoryStream all = new();
        await stream.CopyToAsync(all);
        return all.ToArray();
    }

    private static async Task<List<PathInfo>> ListAsync(IPathInfoService service)
    {
        List<PathInfo> all = [];
        await foreach (PathInfo info in service.ListAsync())
        {
            all.Add(info);
        }

        return all;
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (int known = Volatile.Read(ref most); value > known && Interlocked.CompareExchange(ref most, value, known) is var seen && seen != known; known = seen)
        {
        }
    }

    /// <summary>Stops before the first tree is stored, and may fail then.</summary>
    private sealed class SlowDirectories(IDirectoryService inner, SyncPoint gate) : IDirectoryService
    {
        public Exception? Failure { get; init; }

        public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default) => inner.GetAsync(digest, cancellationToken);

        public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) => inner.PutAsync(directory, cancellationToken);

        public IAsyncEnumerable<CastoreDirectory> GetClosureAsync(B3Digest root, CancellationToken cancellationToken = default) => inner.GetClosureAsync(root, cancellationToken);

        public DirectoryPutter OpenPutter() => new Putter(this, inner.OpenPutter());

        private sealed class Putter(SlowDirectories owner, DirectoryPutter inner) : DirectoryPutter
        {
            private readonly SlowDirectories _owner = owner;

            public override ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) => inner.PutAsync(directory, cancellationToken);

            public override async ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default)
            {
                await _owner.StopAsync();
                return await inner.CompleteAsync(cancellationToken);
            }

            public override ValueTask DisposeAsync() => inner.DisposeAsync();
        }

        private async Task StopAsync()
        {
            await gate.StopAsync();
            if (Failure is not null)
            {
                throw Failure;
            }
        }
    }
}
