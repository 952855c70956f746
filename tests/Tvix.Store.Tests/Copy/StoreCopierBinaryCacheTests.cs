using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Composition;
using Tvix.Store.Copy;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.BinaryCaches;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Copy;

/// <summary>Copying from binary caches and to them.</summary>
[TestFixture]
public sealed class StoreCopierBinaryCacheTests
{
    private static readonly string[] s_closure = ["bottom", "left", "right", "top"];

    [Test]
    public async Task Copy_ToACacheAndBack_IsTheSame()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = new();
        CopyResult result = await new StoreCopier(source, Over(files)).CopyAsync([SampleClosure.PathOf("top")]);
        Assert.That(result.CopiedPaths.Select(path => path.Name), Is.EquivalentTo(s_closure));

        await using TvixStore target = SampleClosure.NewStore();
        await new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]);
        await target.AssertHasAsync(source, s_closure);
    }

    [Test]
    public async Task Copy_ToACache_PutsEachAfterWhatItRefersTo()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = new();
        await new StoreCopier(source, Over(files)).CopyAsync([SampleClosure.PathOf("top")]);
        string[] puts = [.. files.Calls.Where(call => call.StartsWith("put", StringComparison.Ordinal))];
        Assert.That(puts[0], Is.EqualTo("put nix-cache-info"));
        Assert.That(IndexOf("bottom"), Is.LessThan(IndexOf("left")).And.LessThan(IndexOf("right")));
        Assert.That(IndexOf("top"), Is.EqualTo(puts.Length - 1));
        Assert.That(puts, Has.Length.EqualTo(1 + (2 * 4)));

        files.Calls.Clear();
        CopyResult again = await new StoreCopier(source, Over(files)).CopyAsync([SampleClosure.PathOf("top")]);
        Assert.That((again.CopiedPaths.Count, again.PathsAlreadyThere), Is.EqualTo((0, 4)));
        Assert.That(files.CountOf("put") + files.CountOf("has"), Is.Zero);

        int IndexOf(string name) => Array.IndexOf(puts, "put " + BinaryCacheFileName.FormatNarInfo(SampleClosure.PathOf(name).Digest));
    }

    [Test]
    public async Task Copy_FromACache_FetchesOnlyWhatIsMissing()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = await FillAsync(source);
        await using TvixStore target = SampleClosure.NewStore();
        await new StoreCopier(source, target).CopyAsync([SampleClosure.PathOf("left")]);
        files.Calls.Clear();

        CopyResult result = await new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]);

        Assert.That(result.CopiedPaths.Select(path => path.Name), Is.EquivalentTo(new[] { "right", "top" }));
        Assert.That(result.PathsAlreadyThere, Is.EqualTo(2));
        Assert.That(files.CountOf("open nar/"), Is.EqualTo(2));
        await target.AssertHasAsync(source, s_closure);

        files.Calls.Clear();
        await new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]);
        Assert.That(files.CountOf("open nar/"), Is.Zero);
    }

    [Test]
    public async Task Copy_FromACacheThatFailsAnywhere_LeavesNothingIncomplete()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = await FillAsync(source);
        int calls = await CountAsync();
        Assert.That(calls, Is.GreaterThan(7));
        for (int failing = 1; failing <= calls; failing++)
        {
            await using TvixStore target = SampleClosure.NewStore();
            int call = 0;
            files.Fail = _ => Interlocked.Increment(ref call) == failing ? new StorageException("down", isTransient: true) : null;
            Assert.That(
                () => new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]), Throws.TypeOf<StorageException>().With.Message.EqualTo("down"), $"call {failing}");
            await target.AssertCompleteAsync();
            files.Fail = null;
            await new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]);
            await target.AssertHasAsync(source, s_closure);
        }

        async Task<int> CountAsync()
        {
            files.Calls.Clear();
            await using TvixStore target = SampleClosure.NewStore();
            await new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]);
            return files.Calls.Count;
        }
    }

    [Test]
    public async Task Copy_ToACacheThatFailsAnywhere_LeavesNoNarInfoWithoutItsNar()
    {
        await using TvixStore source = await DiamondAsync();
        int calls = (await FillAsync(source, "top")).Calls.Count;
        for (int failing = 1; failing <= calls; failing++)
        {
            MemoryBinaryCacheFiles files = new();
            int call = 0;
            files.Fail = _ => Interlocked.Increment(ref call) == failing ? new StorageException("down", isTransient: true) : null;
            Assert.That(
                () => new StoreCopier(source, Over(files)).CopyAsync([SampleClosure.PathOf("top")]), Throws.TypeOf<StorageException>(), $"call {failing}");
            AssertComplete(files);
            files.Fail = null;
            await new StoreCopier(source, Over(files)).CopyAsync([SampleClosure.PathOf("top")]);
            AssertComplete(files);
            Assert.That(files.Files.Keys.Count(path => path.EndsWith(".narinfo", StringComparison.Ordinal)), Is.EqualTo(4));
        }
    }

    [Test]
    public async Task Copy_Cancelled_LeavesNothingIncomplete()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = await FillAsync(source);
        await using TvixStore target = SampleClosure.NewStore();
        using CancellationTokenSource stop = new();
        files.Read = (path, inner) => path.StartsWith("nar/", StringComparison.Ordinal)
            ? new GatedStream(inner, 50, async token =>
            {
                await stop.CancelAsync();
                await Task.Delay(Timeout.Infinite, token);
            })
            : inner;
        Assert.That(
            () => new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")], cancellationToken: stop.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(await target.ListAsync(), Is.Empty);
        await target.AssertCompleteAsync();
    }

    [Test]
    public async Task Copy_OfAWrongNar_CopiesNothingThatNeedsIt()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = await FillAsync(source);
        NarInfo left = NarInfo.Parse(files.Files[BinaryCacheFileName.FormatNarInfo(SampleClosure.PathOf("left").Digest)]);
        files.Files[left.Url] = "bad"u8.ToArray();
        await using TvixStore target = SampleClosure.NewStore();
        Assert.That(
            () => new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]),
            Throws.TypeOf<RefusedStorePathException>().With.Message.Contains(left.StorePath.Digest.ToString()));
        Assert.That((await target.ListAsync()).Select(info => info.StorePath.Name), Is.SubsetOf(new[] { "bottom", "right" }));
        await target.AssertCompleteAsync();
    }

    [Test]
    public async Task Copy_OfWhatTheCacheLacks_SaysWhoNeedsIt()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = await FillAsync(source);
        files.Files.TryRemove(BinaryCacheFileName.FormatNarInfo(SampleClosure.PathOf("bottom").Digest), out _);
        await using TvixStore target = SampleClosure.NewStore();
        Assert.That(
            () => new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]),
            Throws.TypeOf<StorageException>().With.Message.Contains("-bottom").And.Message.Contains("refers to"));
        Assert.That(files.CountOf("open nar/"), Is.Zero);
        Assert.That(await target.ListAsync(), Is.Empty);
    }

    [Test]
    public async Task Copy_OfSomethingElseThanTheTargetHas_IsAConflict()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = await FillAsync(source);
        await using TvixStore target = SampleClosure.NewStore();
        await target.PutPathAsync("bottom", await target.PutFileAsync("other"));
        files.Calls.Clear();
        Assert.That(() => new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("bottom")]), Throws.TypeOf<StorePathConflictException>());
        Assert.That(files.CountOf("open nar/"), Is.Zero);
        await new StoreCopier(Over(files), target, new CopyOptions { Overwrite = true }).CopyAsync([SampleClosure.PathOf("bottom")]);
        await target.AssertHasAsync(source, "bottom");
    }

    [Test]
    public async Task Copy_OfNewSignatures_FetchesNothing()
    {
        await using TvixStore source = await DiamondAsync();
        await using TvixStore target = SampleClosure.NewStore();
        await new StoreCopier(source, target).CopyAsync([SampleClosure.PathOf("top")]);
        PathInfo bottom = (await source.PathInfos.GetAsync(SampleClosure.PathOf("bottom").Digest))!;
        await source.PathInfos.PutAsync(bottom with { Signatures = [SampleCache.Key.Sign(bottom.ToNarInfo("-").GetFingerprint())] });
        MemoryBinaryCacheFiles files = await FillAsync(source);
        files.Calls.Clear();

        CopyResult result = await new StoreCopier(Over(files), target).CopyAsync([SampleClosure.PathOf("top")]);

        Assert.That((result.PathsSigned, result.CopiedPaths.Count), Is.EqualTo((1, 0)));
        Assert.That(files.CountOf("open nar/"), Is.Zero);
        Assert.That((await target.PathInfos.GetAsync(bottom.StorePath.Digest))!.Signatures, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Copy_CheckingContents_FetchesWhatTheTargetHasLost()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles files = await FillAsync(source);
        files.Calls.Clear();
        CopyOptions check = new() { CheckContents = true };
        await using TvixStore target = SampleClosure.NewStore();
        await new StoreCopier(source, target).CopyAsync([SampleClosure.PathOf("top")]);
        await new StoreCopier(Over(files), target, check).CopyAsync([SampleClosure.PathOf("top")]);
        Assert.That(files.CountOf("open nar/"), Is.Zero, "nothing was lost");

        await using TvixStore hollow = SampleClosure.NewStore();
        foreach (string name in s_closure)
        {
            await hollow.PathInfos.PutAsync((await source.PathInfos.GetAsync(SampleClosure.PathOf(name).Digest))!);
        }

        await new StoreCopier(Over(files), hollow, check).CopyAsync([SampleClosure.PathOf("top")]);
        await hollow.AssertHasAsync(source, s_closure);
        Assert.That(files.CountOf("open nar/"), Is.InRange(3, 4), "the file of one is in another too");
    }

    [Test]
    public async Task CopyAll_FromAFolder_CopiesAll()
    {
        using TempFolder folder = new();
        await using TvixStore source = await DiamondAsync();
        await using (TvixStore cache = TvixStore.Open($"file://{folder.Path}"))
        {
            await new StoreCopier(source, cache).CopyAllAsync();
        }

        await using TvixStore again = TvixStore.Open($"file://{folder.Path}");
        await using TvixStore target = SampleClosure.NewStore();
        CopyResult result = await new StoreCopier(again, target).CopyAllAsync();
        Assert.That(result.CopiedPaths, Has.Count.EqualTo(5));
        await target.AssertHasAsync(source, [.. s_closure, "apart"]);
    }

    [Test]
    public async Task CopyAll_FromACacheWithoutAList_IsNotSupported()
    {
        await using TvixStore target = SampleClosure.NewStore();
        Assert.That(() => new StoreCopier(Over(new MemoryBinaryCacheFiles { IsReadOnly = true }), target).CopyAllAsync(), Throws.TypeOf<NotSupportedException>());
    }

    [Test]
    public async Task Copy_FromACacheToACache_BringsTheFiles()
    {
        await using TvixStore source = await DiamondAsync();
        MemoryBinaryCacheFiles from = await FillAsync(source);
        MemoryBinaryCacheFiles to = new();
        await new StoreCopier(Over(from), Over(to)).CopyAsync([SampleClosure.PathOf("top")]);
        AssertComplete(to);
        await using TvixStore target = SampleClosure.NewStore();
        await new StoreCopier(Over(to), target).CopyAsync([SampleClosure.PathOf("top")]);
        await target.AssertHasAsync(source, s_closure);
    }

    /// <summary>The sample closure, with the NARs that the trees have, and no content addresses.</summary>
    private static async Task<TvixStore> DiamondAsync()
    {
        TvixStore store = await SampleClosure.DiamondAsync();
        foreach (PathInfo info in await store.ListAsync())
        {
            byte[] nar = await SampleCache.NarOfAsync(store, info.Node);
            await store.PathInfos.PutAsync(info with
            {
                NarSize = (ulong)nar.Length, NarHash = Sha256Digest.Compute(nar), ContentAddress = null,
                Deriver = new StorePath(info.StorePath.Digest, "x.drv"),
            });
        }

        return store;
    }

    private static async Task<MemoryBinaryCacheFiles> FillAsync(TvixStore source, params string[] names)
    {
        MemoryBinaryCacheFiles files = new();
        StoreCopier copier = new(source, Over(files));
        await (names.Length > 0 ? copier.CopyAsync(names.Select(SampleClosure.PathOf)) : copier.CopyAllAsync());
        return files;
    }

    private static TvixStore Over(MemoryBinaryCacheFiles files)
    {
        BinaryCache cache = new(files);
        MemoryBlobService blobs = new();
        MemoryDirectoryService directories = new();
        return new TvixStore(new StoreServices(blobs, directories, new BinaryCachePathInfoService(cache, blobs, directories))
        {
            PathInfosOver = (blobs, directories) => new BinaryCachePathInfoService(cache, blobs, directories),
        });
    }

    /// <summary>Each narinfo has its NAR, which is right, and those of its references.</summary>
    private static void AssertComplete(MemoryBinaryCacheFiles files)
    {
        foreach (string path in files.Files.Keys.Where(path => path.EndsWith(".narinfo", StringComparison.Ordinal)))
        {
            NarInfo info = NarInfo.Parse(files.Files[path]);
            Assert.That(Sha256Digest.Compute(files.Files[info.Url]), Is.EqualTo(info.FileHash));
            Assert.That(info.References.Select(reference => BinaryCacheFileName.FormatNarInfo(reference.Digest)), Is.SubsetOf(files.Files.Keys));
        }
    }
}
