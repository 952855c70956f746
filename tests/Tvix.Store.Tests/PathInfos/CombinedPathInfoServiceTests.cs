using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.BinaryCaches;
using Tvix.Store.Tests.Nar;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture]
public sealed class CombinedPathInfoServiceTests : PathInfoServiceContract
{
    [Test]
    public async Task Get_OfWhatSeveralHave_AsksByPriority()
    {
        SampleCache low = await WithPriorityAsync("Priority: 30\n");
        SampleCache high = await WithPriorityAsync("Priority: 10\n");
        SampleCache silent = await WithPriorityAsync(null);
        NarInfo info = low.Add();
        high.Add();
        CombinedPathInfoService service = new([low.OpenService(), high.OpenService(), silent.OpenService(options => options.Priority = 20)]);
        await high.AssertIsThereAsync(await service.GetAsync(info.StorePath.Digest));
        Assert.That(low.Files.CountOf("open nar"), Is.Zero);
        Assert.That(silent.Files.Calls, Is.Empty, "it is behind, and need not say its priority");

        high.Files.Files.Clear();
        NarInfo other = low.Add("other", nar: NarBytes.Hello);
        silent.Add("other", nar: NarBytes.Hello);
        Assert.That(await service.GetAsync(other.StorePath.Digest), Is.Not.Null);
        Assert.That((silent.Files.CountOf("open nar"), low.Files.CountOf("open nar")), Is.EqualTo((1, 0)), "between the others");
        Assert.That(high.Files.CountOf("open nix-cache-info"), Is.EqualTo(1), "asked once");
    }

    [Test]
    public async Task Get_WithoutPriorities_AsksInTheGivenOrder()
    {
        (SampleCache a, SampleCache b) = (await SampleCache.NewAsync(), await SampleCache.NewAsync());
        NarInfo info = a.Add();
        b.Add();
        await a.AssertIsThereAsync(await new CombinedPathInfoService([a.OpenService(), b.OpenService()]).GetAsync(info.StorePath.Digest));
        Assert.That(b.Files.CountOf("open nar"), Is.Zero);
    }

    [Test]
    public async Task Any_WhenOneFailsOrRefuses_AsksTheNext([Values("down", "malformed", "unsigned", "bad NAR", "no NAR")] string how)
    {
        (SampleCache bad, SampleCache good) = (await SampleCache.NewAsync(), await SampleCache.NewAsync());
        NarInfo info = good.Add();
        TrustedKeys keys = new([SampleCache.Key.PublicKey]);
        switch (how)
        {
            case "down":
                bad.Files.Fail = _ => new StorageException("down", isTransient: true);
                break;
            case "malformed":
                bad.Files.Files[BinaryCacheFileName.FormatNarInfo(info.StorePath.Digest)] = "bad"u8.ToArray();
                break;
            case "no NAR":
                bad.Add();
                bad.Files.Fail = call => call.StartsWith("open nar/", StringComparison.Ordinal) ? new StorageException("gone") : null;
                break;
            default:
                bad.Add(file: "bad"u8.ToArray());
                break;
        }

        CombinedPathInfoService service = new([bad.OpenService(options => options.TrustedKeys = how == "unsigned" ? keys : null), good.OpenService()]);
        StorePathDigest digest = info.StorePath.Digest;
        Assert.That((await service.GetNarInfoAsync(digest))!.NarHash, Is.EqualTo(info.NarHash));
        Assert.That(await service.FindAsync(digest), Is.Null);
        if (how != "bad NAR")
        {
            await using Stream nar = (await service.OpenNarAsync(digest))!;
            MemoryStream all = new();
            await nar.CopyToAsync(all);
            Assert.That(all.ToArray(), Is.EqualTo(good.Nar));
        }

        await good.AssertIsThereAsync(await service.GetAsync(digest));
    }

    [Test]
    public async Task Any_WhenNobodyHasItAndOneFails_Throws()
    {
        (SampleCache down, SampleCache empty) = (await SampleCache.NewAsync(), await SampleCache.NewAsync());
        CombinedPathInfoService service = new([down.OpenService(), empty.OpenService()]);
        Assert.That(await service.GetAsync(default), Is.Null, "all say so");
        down.Files.Fail = _ => new StorageException("down", isTransient: true);
        NarInfo info = empty.Add();
        StorePathDigest digest = down.Add("other").StorePath.Digest;
        service = new([down.OpenService(), empty.OpenService()]);
        Assert.That(async () => await service.GetAsync(digest), Throws.TypeOf<StorageException>().With.Message.EqualTo("down"));
        Assert.That(async () => await service.FindAsync(digest), Throws.TypeOf<StorageException>());
        Assert.That(async () => await service.GetNarInfoAsync(digest), Throws.TypeOf<StorageException>());
        Assert.That(async () => await service.OpenNarAsync(digest), Throws.TypeOf<StorageException>());
        Assert.That(await service.GetAsync(info.StorePath.Digest), Is.Not.Null, "and what another has is had");
        down.Files.Fail = null;
        Assert.That(await service.GetAsync(digest), Is.Not.Null, "and later");
    }

    [Test]
    public async Task OpenNar_OfAnotherNarInTheNextCache_IsNotTaken()
    {
        // Whoever knows the first narinfo would take the NAR for that of it.
        (SampleCache bad, SampleCache good) = (await SampleCache.NewAsync(), await SampleCache.NewAsync());
        NarInfo info = bad.Add();
        good.Add(nar: NarBytes.Hello);
        bad.Files.Fail = call => call.StartsWith("open nar/", StringComparison.Ordinal) ? new StorageException("gone") : null;
        CombinedPathInfoService service = new([bad.OpenService(), good.OpenService()]);
        Assert.That(async () => await service.OpenNarAsync(info.StorePath.Digest), Throws.TypeOf<StorageException>().With.Message.EqualTo("gone"));
    }

    [Test]
    public async Task Any_WithSenselessCacheInfo_AsksThatCacheLast()
    {
        SampleCache odd = await WithPriorityAsync("Priority: high\n");
        SampleCache other = await SampleCache.NewAsync();
        NarInfo info = odd.Add();
        other.Add();
        await other.AssertIsThereAsync(await new CombinedPathInfoService([odd.OpenService(), other.OpenService()]).GetAsync(info.StorePath.Digest));
        Assert.That(odd.Files.CountOf("open nar"), Is.Zero);
    }

    [Test]
    public async Task List_OfSeveral_GivesEachOnce()
    {
        MemoryPathInfoService first = new();
        MemoryPathInfoService second = new();
        foreach (int i in (int[])[0, 1])
        {
            await first.PutAsync(SamplePathInfos.Numbered(i));
            await second.PutAsync(SamplePathInfos.Numbered(i + 1));
        }

        List<string> names = [];
        await foreach (PathInfo info in new CombinedPathInfoService([first, second]).ListAsync())
        {
            names.Add(info.StorePath.Name);
        }

        Assert.That(names, Is.EquivalentTo(new[] { "sample-0", "sample-1", "sample-2" }));
    }

    [Test]
    public async Task ListDigests_WhenOneHasNoList_IsNotSupported()
    {
        SampleCache listed = await SampleCache.NewAsync();
        listed.Add();
        SampleCache unlisted = await SampleCache.NewAsync(readOnly: true);
        Assert.That(() => new CombinedPathInfoService([listed.OpenService(), unlisted.OpenService()]).ListDigestsAsync(), Throws.TypeOf<NotSupportedException>());
    }

    [Test]
    public void Constructor_WithoutServices_Throws()
    {
        Assert.That(() => new CombinedPathInfoService([]), Throws.ArgumentException);
        Assert.That(() => new CombinedPathInfoService([null!]), Throws.ArgumentException);
        Assert.That(() => new CombinedPathInfoService(null!), Throws.ArgumentNullException);
    }

    protected override ValueTask<IPathInfoService> CreateAsync() => new(new CombinedPathInfoService([new MemoryPathInfoService(), new MemoryPathInfoService()]));

    private static async Task<SampleCache> WithPriorityAsync(string? text)
    {
        SampleCache sample = await SampleCache.NewAsync();
        if (text is not null)
        {
            sample.Files.Files["nix-cache-info"] = System.Text.Encoding.UTF8.GetBytes(text);
        }

        return sample;
    }
}
