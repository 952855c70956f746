using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Castore.Telemetry;
using Tvix.Store.Copy;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Telemetry;
using Tvix.Store.Tests.Nar;

namespace Tvix.Store.Tests.Copy;

[TestFixture]
public sealed class StoreCopierTests
{
    private static readonly string[] s_diamond = ["bottom", "left", "right", "top"];

    private static Task<CopyResult> CopyAsync(TvixStore source, TvixStore target, CopyOptions? options = null, params string[] names) =>
        new StoreCopier(source, target, options).CopyAsync((names is [] ? ["top"] : names).Select(SampleClosure.PathOf));

    [Test]
    public async Task Copy_Diamond_BringsTheClosureReferencesFirst()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();

        CopyResult result = await CopyAsync(source, target);

        await target.AssertHasAsync(source, s_diamond);
        Assert.That(result.CopiedPaths.Select(path => path.Name), Is.EqualTo(s_diamond));
        Assert.That(result.PathsAlreadyThere, Is.Zero);
        Assert.That(result.Directories, Is.EqualTo(6), "two of each tree");
        Assert.That(result.Blobs, Is.EqualTo(5));
        Assert.That(result.BytesCopied, Is.EqualTo(4445));
        Assert.That(result.BytesSaved, Is.EqualTo(8040), "what right and top have in common with left and bottom");
    }

    [Test]
    public async Task Copy_IntoACacheThatHasItNear_BringsItFar(
        [Values(CacheWrites.Far, CacheWrites.Both)] CacheWrites writes, [Values] bool alsoPathInfos, [Values] bool decorated)
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore near = SampleClosure.NewStore();
        TvixStore far = SampleClosure.NewStore();
        await CopyAsync(source, near);
        IBlobService blobs = new CachingBlobService(near.Blobs, far.Blobs, writes);
        IDirectoryService directories = new CachingDirectoryService(near.Directories, far.Directories, writes);
        IPathInfoService nearInfos = alsoPathInfos ? near.PathInfos : new MemoryPathInfoService();
        IPathInfoService infos = new CachingPathInfoService(nearInfos, far.PathInfos, writes);
        if (decorated)
        {
            blobs = new MeasuredBlobService(new CachingBlobService(new MemoryBlobService(), blobs, writes), "cache");
            directories = new MeasuredDirectoryService(directories, "cache");
            infos = new MeasuredPathInfoService(new SigningPathInfoService(infos, SigningKey.Generate("test")), "cache");
        }

        CopyResult result = await CopyAsync(source, new TvixStore(blobs, directories, infos));

        Assert.That(result.CopiedPaths.Select(path => path.Name), Is.EqualTo(s_diamond));
        await far.AssertCompleteAsync();
        Assert.That(await far.ListAsync(), Has.Count.EqualTo(4));
    }

    [Test]
    public async Task Import_PathInfoOnlyNear_IsWrittenFar([Values(CacheWrites.Far, CacheWrites.Both)] CacheWrites writes)
    {
        TvixStore near = SampleClosure.NewStore();
        TvixStore far = SampleClosure.NewStore();
        TvixStore cache = new(
            new CachingBlobService(near.Blobs, far.Blobs, writes),
            new CachingDirectoryService(near.Directories, far.Directories, writes),
            new CachingPathInfoService(near.PathInfos, far.PathInfos, writes));
        string file = Path.GetTempFileName();
        try
        {
            await near.ImportAsync(file, new StoreImportOptions { Name = "file" });
            PathInfo info = await cache.ImportAsync(file, new StoreImportOptions { Name = "file" });
            Assert.That(await far.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
            await far.AssertCompleteAsync();
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public async Task Copy_Twice_MovesNothingTheSecondTime()
    {
        WatchedStore source = new(await SampleClosure.DiamondAsync());
        WatchedStore target = new(SampleClosure.NewStore());
        await CopyAsync(source.Store, target.Store);
        source.Counts.Clear();
        target.Counts.Clear();

        CopyResult result = await CopyAsync(source.Store, target.Store);

        Assert.That(source.Counts, Is.EquivalentTo(new Dictionary<string, int> { ["info"] = 4 }));
        Assert.That(target.Counts, Is.EquivalentTo(new Dictionary<string, int> { ["info"] = 4 }));
        Assert.That(result.CopiedPaths, Is.Empty);
        Assert.That(result.PathsAlreadyThere, Is.EqualTo(4));
        Assert.That((result.Blobs, result.Directories, result.BytesCopied), Is.EqualTo((0L, 0L, 0L)));
        Assert.That(result.BytesSaved, Is.EqualTo(4000), "the NARs");
    }

    [Test]
    public async Task Copy_OfMuchThatIsThere_ReadsAndWritesOnlyTheRest()
    {
        WatchedStore source = new(await SampleClosure.DiamondAsync());
        WatchedStore target = new(SampleClosure.NewStore());
        await CopyAsync(source.Store, target.Store, null, "left");
        source.Counts.Clear();
        target.Counts.Clear();

        CopyResult result = await CopyAsync(source.Store, target.Store);

        Assert.That(result.CopiedPaths.Select(path => path.Name), Is.EqualTo(new[] { "right", "top" }));
        Assert.That(result.BytesCopied, Is.EqualTo(5));
        Assert.That(source.Count("read"), Is.EqualTo(2));
        Assert.That(source.Count("closure"), Is.EqualTo(2));
        Assert.That(target.Count("put info"), Is.EqualTo(2));
    }

    [Test]
    public async Task Copy_EveryPathInfo_ComesAfterItsContentsAndReferences([Values] bool all)
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        WatchedStore target = new(SampleClosure.NewStore());
        target.BeforePut = async info =>
        {
            TvixStore probe = new(target.Inner.Blobs, target.Inner.Directories, new MemoryPathInfoService());
            await probe.PathInfos.PutAsync(info with { References = [] });
            await probe.AssertCompleteAsync();
            foreach (StorePath reference in info.References.Where(reference => reference != info.StorePath))
            {
                Assert.That(await target.Inner.PathInfos.GetAsync(reference.Digest), Is.Not.Null, $"{reference} before {info}");
            }
        };

        StoreCopier copier = new(source, target.Store);
        await (all ? copier.CopyAllAsync() : copier.CopyAsync([SampleClosure.PathOf("top")]));

        Assert.That(target.Count("put info"), Is.EqualTo(all ? 5 : 4));
    }

    [Test]
    public async Task Copy_ReferenceThatIsStoredLate_IsWaitedFor()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TaskCompletionSource others = new(TaskCreationOptions.RunContinuationsAsynchronously);
        List<string> put = [];
        int trees = 0;
        WatchedStore target = new(SampleClosure.NewStore())
        {
            After = (_, name) =>
            {
                if (name == "put tree" && Interlocked.Increment(ref trees) == 3)
                {
                    others.SetResult();
                }
            },
        };
        target.BeforePut = async info =>
        {
            if (info.StorePath.Name == "bottom")
            {
                await others.Task; // the contents of all other paths are there
                for (int i = 0; i < 100; i++)
                {
                    await Task.Yield();
                }
            }

            lock (put)
            {
                put.Add(info.StorePath.Name);
            }
        };

        await CopyAsync(source, target.Store);

        Assert.That((put[0], put[^1]), Is.EqualTo(("bottom", "top")));
        Assert.That(put, Is.EquivalentTo(s_diamond));
    }

    [Test]
    public async Task CopyAll_BringsEverything()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();
        CopyResult result = await new StoreCopier(source, target).CopyAllAsync();
        await target.AssertHasAsync(source, [.. s_diamond, "apart"]);
        Assert.That(result.CopiedPaths, Has.Count.EqualTo(5));
        Assert.That((await new StoreCopier(SampleClosure.NewStore(), target).CopyAllAsync()).CopiedPaths, Is.Empty);
    }

    [Test]
    public async Task Copy_WithoutReferences_BringsThePathsAlone()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();
        CopyResult result = await CopyAsync(source, target, new CopyOptions { IncludeReferences = false }, "top", "left", "top");
        Assert.That(result.CopiedPaths.Select(path => path.Name), Is.EqualTo(new[] { "left", "top" }), "references first, where they are copied");
        Assert.That((await target.ListAsync()).Select(info => info.StorePath.Name), Is.EquivalentTo(new[] { "left", "top" }));
    }

    [Test]
    public async Task Copy_OfACycle_EndsInTheSameOrderAlways()
    {
        TvixStore source = SampleClosure.NewStore();
        Node file = await source.PutFileAsync("x");
        await source.PutPathAsync("a", file, "b");
        await source.PutPathAsync("b", file, "c", "b");
        await source.PutPathAsync("c", file, "a");
        for (int i = 0; i < 5; i++)
        {
            TvixStore target = SampleClosure.NewStore();
            CopyResult result = await CopyAsync(source, target, null, "a");
            Assert.That(result.CopiedPaths.Select(path => path.Name), Is.EqualTo(new[] { "c", "b", "a" }));
            await target.AssertHasAsync(source, "a", "b", "c");
        }
    }

    [Test]
    public async Task Copy_KindsOfRoots_AllComeOver()
    {
        TvixStore source = SampleClosure.NewStore();
        await source.PutPathAsync("link", new Node.Symlink(new SymlinkTarget("/nowhere")));
        await source.PutPathAsync("empty-file", await source.PutFileAsync(""));
        await source.PutPathAsync("empty-tree", await source.PutTreeAsync());
        TvixStore target = SampleClosure.NewStore();
        await CopyAsync(source, target, null, "link", "empty-file", "empty-tree");
        await target.AssertHasAsync(source, "link", "empty-file", "empty-tree");
    }

    [Test]
    public async Task Copy_MissingReference_NamesItAndItsReferrerAndCopiesNothing()
    {
        TvixStore source = SampleClosure.NewStore();
        Node file = await source.PutFileAsync("x");
        await source.PutPathAsync("top", file, "middle");
        await source.PutPathAsync("middle", file, "gone");
        WatchedStore target = new(SampleClosure.NewStore());

        Assert.That(
            async () => await CopyAsync(source, target.Store),
            Throws.InstanceOf<StorageException>().With.Message.Contains("-gone, which /nix/store/").And.Message.Contains("-middle refers to"));
        Assert.That(target.Counts.Keys, Is.EqualTo(new[] { "info" }));

        // One that the target has will do.
        await target.Inner.PutPathAsync("gone", await target.Inner.PutFileAsync("here"));
        CopyResult result = await CopyAsync(source, target.Store);
        Assert.That(result.CopiedPaths.Select(path => path.Name), Is.EqualTo(new[] { "middle", "top" }));
        await target.Inner.AssertCompleteAsync();
    }

    [Test]
    public async Task Copy_UnknownPath_IsRefused([Values] bool isThere)
    {
        TvixStore target = SampleClosure.NewStore();
        if (isThere)
        {
            await target.PutPathAsync("top", await target.PutFileAsync("x"));
        }

        Assert.That(
            async () => await CopyAsync(SampleClosure.NewStore(), target),
            Throws.InstanceOf<StorageException>().With.Message.EndsWith("-top is not in the source."));
    }

    [Test]
    public async Task Copy_SourceAnswersWithAnotherPath_IsRefused()
    {
        TvixStore inner = await SampleClosure.DiamondAsync();
        PathInfo other = (await inner.PathInfos.GetAsync(SampleClosure.PathOf("apart").Digest))!;
        TvixStore source = new(inner.Blobs, inner.Directories, new SinglePathInfoService(other));
        Assert.That(
            async () => await CopyAsync(source, SampleClosure.NewStore()),
            Throws.InstanceOf<StorageException>().With.Message.Contains("-top and answers with").And.Message.EndsWith("-apart."));
    }

    private sealed class SinglePathInfoService(PathInfo info) : IPathInfoService
    {
        public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default) => new(info);

        public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }

    [Test]
    public async Task CopyAll_SourceThatCannotList_IsNotSupported()
    {
        TvixStore inner = await SampleClosure.DiamondAsync();
        TvixStore source = new(inner.Blobs, inner.Directories, new SinglePathInfoService((await inner.ListAsync())[0]));
        Assert.That(async () => await new StoreCopier(source, inner).CopyAllAsync(), Throws.InstanceOf<NotSupportedException>());
    }

    [Test]
    public async Task Copy_SizesThatMakeNoSense_AreCountedAsTheMost()
    {
        TvixStore source = SampleClosure.NewStore();
        foreach (string name in new[] { "top", "other" })
        {
            await source.PathInfos.PutAsync(await source.PutPathAsync(name, await source.PutFileAsync("x")) with { NarSize = ulong.MaxValue });
        }

        CopyResult result = await CopyAsync(source, source, null, "top", "other");
        Assert.That((result.PathsAlreadyThere, result.BytesSaved), Is.EqualTo((2L, long.MaxValue)));
    }

    [Test]
    public async Task Copy_MissingContents_NamesThemAndThePath()
    {
        TvixStore source = SampleClosure.NewStore();
        B3Digest unknown = new(SampleClosure.Bytes(1, B3Digest.Size));
        await source.PutPathAsync("file", new Node.File(unknown, 3, false));
        await source.PutPathAsync("large", new Node.File(unknown, 300 << 20, false));
        await source.PutPathAsync("tree", new Node.Directory(unknown, 0));
        foreach (string name in new[] { "file", "large", "tree" })
        {
            TvixStore target = SampleClosure.NewStore();
            Assert.That(
                async () => await CopyAsync(source, target, null, name),
                Throws.InstanceOf<StorageException>().With.Message.Contains(unknown.ToString()).And.Message.Contains("-" + name));
            Assert.That(await target.ListAsync(), Is.Empty);
        }
    }

    [TestCase(2u)]
    [TestCase(4u)]
    public async Task Copy_ContentsOfAnotherLength_AreRefused(uint recorded)
    {
        TvixStore source = SampleClosure.NewStore();
        Node.File file = await source.PutFileAsync("abc");
        await source.PutPathAsync("top", file with { Size = recorded });
        foreach (int small in new[] { 1 << 20, 0 })
        {
            TvixStore target = SampleClosure.NewStore();
            Assert.That(
                async () => await CopyAsync(source, target, new CopyOptions { SmallBlobBytes = small }),
                Throws.InstanceOf<StorageException>().With.Message.Contains($"does not have the {recorded} bytes"));
            Assert.That(await target.ListAsync(), Is.Empty);
        }
    }

    [TestCase(1 << 20)]
    [TestCase(0)]
    public async Task Copy_OtherBytesThanAskedFor_AreADigestMismatch(int small)
    {
        TvixStore inner = await SampleClosure.DiamondAsync();
        B3Digest digest = ((Node.File)(await inner.PathInfos.GetAsync(SampleClosure.PathOf("bottom").Digest))!.Node).Digest;
        TvixStore source = new(new LyingBlobService(inner.Blobs, digest, SampleClosure.Bytes(99, 40)), inner.Directories, inner.PathInfos);
        TvixStore target = SampleClosure.NewStore();

        Assert.That(
            async () => await CopyAsync(source, target, new CopyOptions { SmallBlobBytes = small }),
            Throws.InstanceOf<DigestMismatchException>().With.Property(nameof(DigestMismatchException.Expected)).EqualTo(digest));
        Assert.That(await target.ListAsync(), Is.Empty);
    }

    [Test]
    public async Task Copy_DirectoriesWithoutContents_AreNotTrusted()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();
        PathInfo left = (await source.PathInfos.GetAsync(SampleClosure.PathOf("left").Digest))!;
        await foreach (CastoreDirectory directory in source.Directories.GetClosureAsync(((Node.Directory)left.Node).Digest))
        {
            await target.Directories.PutAsync(directory);
        }

        WatchedStore watched = new(source);
        await CopyAsync(watched.Store, target, null, "left");

        await target.AssertHasAsync(source, "bottom", "left");
        Assert.That(watched.Count("closure"), Is.Zero, "the directories are read where they are");
    }

    [Test]
    public async Task Copy_RootDirectoryWithoutTheOthers_IsStoredAnew()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();
        PathInfo left = (await source.PathInfos.GetAsync(SampleClosure.PathOf("left").Digest))!;
        await target.Directories.PutAsync((await source.Directories.GetAsync(((Node.Directory)left.Node).Digest))!);

        await CopyAsync(source, target, null, "left");

        await target.AssertHasAsync(source, "bottom", "left");
    }

    [Test]
    public async Task Copy_TargetCannotGiveItsDirectories_StoresThemAnewUnlessItMayLater([Values] bool isTransient)
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        WatchedStore target = new(SampleClosure.NewStore())
        {
            Before = (_, name) =>
            {
                if (name == "closure")
                {
                    throw new StorageException("not now", isTransient: isTransient);
                }
            },
        };
        if (isTransient)
        {
            Assert.That(async () => await CopyAsync(source, target.Store), Throws.InstanceOf<StorageException>().With.Message.EqualTo("not now"));
            return;
        }

        Assert.That((await CopyAsync(source, target.Store)).Directories, Is.EqualTo(6));
        await target.Inner.AssertHasAsync(source, s_diamond);
    }

    [Test]
    public async Task Copy_CheckContents_RepairsPathsThatAreThere()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();
        await target.PathInfos.PutAsync((await source.PathInfos.GetAsync(SampleClosure.PathOf("left").Digest))!);

        Assert.That((await CopyAsync(source, target, null, "left")).BytesCopied, Is.EqualTo(40), "it is taken for complete");
        CopyResult result = await CopyAsync(source, target, new CopyOptions { CheckContents = true }, "left");

        Assert.That(result.CopiedPaths, Is.Empty);
        Assert.That(result.BytesCopied, Is.EqualTo(4400));
        Assert.That(result.BytesSaved, Is.EqualTo(40));
        await target.AssertHasAsync(source, "bottom", "left");
    }

    private static NarSignature Signature(string key) => new(key, SampleClosure.Bytes(key.Length, NarSignature.Size));

    [Test]
    public async Task Copy_SignaturesOfTheSourceOnly_AreAdded()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();
        PathInfo info = (await source.PathInfos.GetAsync(SampleClosure.PathOf("apart").Digest))!;
        await target.PutFileAsync("apart");
        await source.PathInfos.PutAsync(info with { Signatures = [Signature("both"), Signature("source")] });
        await target.PathInfos.PutAsync(info with { Signatures = [Signature("target"), Signature("both")] });

        CopyResult result = await CopyAsync(source, target, null, "apart");

        Assert.That((result.CopiedPaths.Count, result.PathsAlreadyThere, result.PathsSigned), Is.EqualTo((0, 1L, 1L)));
        Assert.That(
            (await target.PathInfos.GetAsync(info.StorePath.Digest))!.Signatures.Select(signature => signature.Name),
            Is.EqualTo(new[] { "target", "both", "source" }));
        Assert.That((await CopyAsync(source, target, null, "apart")).PathsSigned, Is.Zero);
    }

    [Test]
    public async Task Copy_AnotherDeriver_LeavesTheTargetAsItIs()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();
        PathInfo info = (await source.PathInfos.GetAsync(SampleClosure.PathOf("apart").Digest))!;
        await source.PathInfos.PutAsync(info with { Signatures = [Signature("source")] });
        PathInfo known = info with { Deriver = null };
        await target.PathInfos.PutAsync(known);
        Assert.That((await CopyAsync(source, target, null, "apart")).PathsSigned, Is.Zero);
        Assert.That(await target.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(known));
    }

    [Test]
    public async Task Copy_SizeOfTheRootByTheOtherRule_IsNoConflict()
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        TvixStore target = SampleClosure.NewStore();
        PathInfo info = (await source.PathInfos.GetAsync(SampleClosure.PathOf("left").Digest))!;
        Node.Directory root = (Node.Directory)info.Node;
        await target.PathInfos.PutAsync(info with { Node = root with { Size = root.Size / 2 } });
        Assert.That((await CopyAsync(source, target, null, "left")).PathsAlreadyThere, Is.EqualTo(1));
    }

    [TestCase("contents")]
    [TestCase("NAR hash")]
    [TestCase("references")]
    [TestCase("name")]
    public async Task Copy_PathThatSaysSomethingElse_IsAConflict(string what)
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        WatchedStore target = new(SampleClosure.NewStore());
        PathInfo info = (await source.PathInfos.GetAsync(SampleClosure.PathOf("left").Digest))!;
        PathInfo other = what switch
        {
            "contents" => info with { Node = new Node.Symlink(new SymlinkTarget("x")) },
            "NAR hash" => info with { NarHash = default },
            "references" => info with { References = [] },
            _ => info with { StorePath = new StorePath(info.StorePath.Digest, "other") },
        };
        await target.Inner.PathInfos.PutAsync(other);

        StorePathConflictException? conflict = Assert.ThrowsAsync<StorePathConflictException>(() => CopyAsync(source, target.Store));
        Assert.That(conflict!.Message, Does.Contain("-left").And.Contain(what));
        Assert.That((conflict.StorePath, conflict.Offered, conflict.Existing), Is.EqualTo((info.StorePath, info, other)));
        Assert.That(target.Counts.Keys, Is.EqualTo(new[] { "info" }), "nothing was copied");

        CopyResult result = await CopyAsync(source, target.Store, new CopyOptions { Overwrite = true });
        Assert.That(result.CopiedPaths, Has.Count.EqualTo(4));
        await target.Inner.AssertHasAsync(source, s_diamond);
    }

    [Test]
    public async Task Copy_LargeBlob_IsStreamed()
    {
        TvixStore inner = SampleClosure.NewStore();
        await inner.PutPathAsync("top", await inner.PutFileAsync(SampleClosure.Bytes(7, 5_000_001)));
        WatchedStore source = new(inner);
        WatchedStore target = new(SampleClosure.NewStore());
        List<CopyProgress> reports = [];

        CopyResult result = await new StoreCopier(source.Store, target.Store)
            .CopyAsync([SampleClosure.PathOf("top")], new Reports(reports));

        await target.Inner.AssertHasAsync(inner, "top");
        Assert.That((source.Count("read"), source.Count("open"), target.Count("write")), Is.EqualTo((0, 1, 1)));
        Assert.That(target.Count("write more"), Is.EqualTo(20), "pieces of 256 KiB");
        Assert.That(result.BytesCopied, Is.EqualTo(5_000_001));
        Assert.That(reports[^1], Is.EqualTo(new CopyProgress(1, 1, 1, 5_000_001, 0)));
        Assert.That(reports, Has.Count.GreaterThan(20));
        Assert.That(reports.Select(report => report.BytesCopied), Is.Ordered);
    }

    [Test]
    public async Task Copy_LargeBlobWithKnownChunks_ReadsTheOthersOnly([Values] bool fromTarget)
    {
        using Tvix.Tests.Shared.TempFolder folder = new();
        await using TvixStore inner = TvixStore.Open($"local:{folder["a"]}?chunk-size=16384");
        await using TvixStore target = TvixStore.Open($"local:{folder["b"]}?chunk-size=16384");
        byte[] old = SampleClosure.Bytes(8, 3_000_000);
        await target.PutPathAsync("old", await target.PutFileAsync(old));
        await inner.PutPathAsync("top", await inner.PutFileAsync([.. SampleClosure.Bytes(9, 5000), .. old]));
        WatchedStore source = new(inner);

        CopyResult result = await CopyAsync(source.Store, target, new CopyOptions { ReadChunksFromTarget = fromTarget });

        await target.AssertCompleteAsync();
        Assert.That(result.BytesCopied, fromTarget ? Is.InRange(5000, 500_000) : Is.EqualTo(3_005_000));
        Assert.That(result.BytesCopied + result.BytesSaved, Is.EqualTo(3_005_000));
        Assert.That(source.Count("open"), Is.EqualTo(fromTarget ? 0 : 1), "the blob as a whole");
    }

    [Test]
    public async Task Copy_ManyBlobs_HoldsNoMoreThanTheBudget()
    {
        const int Blobs = 60;
        const int BlobBytes = 200_000; // 256 KiB in a pool
        TvixStore inner = SampleClosure.NewStore();
        (string, Node)[] files = new (string, Node)[Blobs];
        for (int i = 0; i < Blobs; i++)
        {
            files[i] = ($"f{i}", await inner.PutFileAsync(SampleClosure.Bytes(i, BlobBytes)));
        }

        await inner.PutPathAsync("top", await inner.PutTreeAsync(files));
        Assert.That(await MostAtATimeAsync(1 << 20, expected: 4), Is.EqualTo(4));
        Assert.That(await MostAtATimeAsync(64 << 20, expected: 16), Is.GreaterThan(10), "so it is the budget that holds it back");

        // Nothing is stored before as many were read as are expected to be in memory at a time.
        async Task<int> MostAtATimeAsync(long budget, int expected)
        {
            TaskCompletionSource enough = new(TaskCreationOptions.RunContinuationsAsynchronously);
            List<BlobContent> alive = [];
            int most = 0;
            int reads = 0;
            WatchedStore source = new(inner)
            {
                ReadBlob = content =>
                {
                    lock (alive)
                    {
                        alive.Add(content);
                        alive.RemoveAll(IsDisposed);
                        most = Math.Max(most, alive.Count);
                        if (++reads == expected)
                        {
                            enough.SetResult();
                        }
                    }
                },
            };
            WatchedStore target = new(SampleClosure.NewStore()) { BeforeBlobs = () => enough.Task };
            CopyResult result = await CopyAsync(source.Store, target.Store, new CopyOptions { BufferBytes = budget });
            Assert.That(result.Blobs, Is.EqualTo(Blobs));
            await target.Inner.AssertHasAsync(inner, "top");
            Assert.That(alive.All(IsDisposed), Is.True);
            return most;
        }
    }

    private static bool IsDisposed(BlobContent content)
    {
        try
        {
            _ = content.Memory;
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    [Test]
    public void Constructor_StoresWithOtherStoreDirectories_AreRefused() =>
        Assert.That(
            () => new StoreCopier(SampleClosure.NewStore(), TvixStore.Open("memory:", new StoreDirectory("/gnu/store"))),
            Throws.ArgumentException.With.Message.Contains("/gnu/store"));

    [Test]
    public void Constructor_NumbersOutOfRange_AreRefused()
    {
        CopyOptions[] wrong =
        [
            new() { BufferBytes = 0 }, new() { SmallBlobBytes = -1 }, new() { ConcurrentPaths = 0 },
            new() { ConcurrentLookups = 0 }, new() { ConcurrentReads = 0 }, new() { ConcurrentWrites = 0 },
        ];
        foreach (CopyOptions options in wrong)
        {
            Assert.That(
                () => new StoreCopier(SampleClosure.NewStore(), SampleClosure.NewStore(), options),
                Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    private sealed class Reports(List<CopyProgress> reports) : IProgress<CopyProgress>
    {
        public void Report(CopyProgress value) => reports.Add(value);
    }
}
