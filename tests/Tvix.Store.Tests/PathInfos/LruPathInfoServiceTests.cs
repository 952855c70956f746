using NUnit.Framework;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture]
public sealed class LruPathInfoServiceTests : PathInfoServiceContract
{
    [Test]
    public async Task Put_OverCapacity_ForgetsTheLeastRecentlyUsed()
    {
        LruPathInfoService service = new(capacity: 2);
        await service.PutAsync(SamplePathInfos.Numbered(0));
        await service.PutAsync(SamplePathInfos.Numbered(1));
        await service.GetAsync(SamplePathInfos.Numbered(0).StorePath.Digest); // now 1 is the older one

        await service.PutAsync(SamplePathInfos.Numbered(2));

        Assert.That(await service.GetAsync(SamplePathInfos.Numbered(1).StorePath.Digest), Is.Null);
        Assert.That(await service.GetAsync(SamplePathInfos.Numbered(0).StorePath.Digest), Is.EqualTo(SamplePathInfos.Numbered(0)));
        Assert.That(await service.GetAsync(SamplePathInfos.Numbered(2).StorePath.Digest), Is.EqualTo(SamplePathInfos.Numbered(2)));
    }

    [Test]
    public async Task Put_KnownDigestAtCapacity_ForgetsNothing()
    {
        LruPathInfoService service = new(capacity: 2);
        await service.PutAsync(SamplePathInfos.Numbered(0));
        await service.PutAsync(SamplePathInfos.Numbered(1));

        await service.PutAsync(SamplePathInfos.Numbered(0) with { NarSize = 1 });

        Assert.That(await NumbersAsync(service), Is.EqualTo(new[] { "sample-0", "sample-1" }));
    }

    [Test]
    public async Task List_AfterGets_GoesFromMostToLeastRecent()
    {
        LruPathInfoService service = new(capacity: 3);
        for (int i = 0; i < 3; i++)
        {
            await service.PutAsync(SamplePathInfos.Numbered(i));
        }

        await service.GetAsync(SamplePathInfos.Numbered(1).StorePath.Digest);

        Assert.That(await NumbersAsync(service), Is.EqualTo(new[] { "sample-1", "sample-2", "sample-0" }));
        Assert.That(
            await NumbersAsync(service),
            Is.EqualTo(new[] { "sample-1", "sample-2", "sample-0" }),
            "Listing must not count as use.");
    }

    [Test]
    public void Constructor_WithoutCapacity_Throws([Values(0, -1)] int capacity) =>
        Assert.That(() => new LruPathInfoService(capacity), Throws.TypeOf<ArgumentOutOfRangeException>());

    protected override ValueTask<IPathInfoService> CreateAsync() => new(new LruPathInfoService(capacity: 1000));

    private static async Task<List<string>> NumbersAsync(LruPathInfoService service)
    {
        List<string> names = [];
        await foreach (PathInfo pathInfo in service.ListAsync())
        {
            names.Add(pathInfo.StorePath.Name);
        }

        return names;
    }
}
