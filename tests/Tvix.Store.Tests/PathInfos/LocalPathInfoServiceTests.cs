using NUnit.Framework;
using Tvix.Castore.Local;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class LocalPathInfoServiceTests : PathInfoServiceContract
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tvix-path-infos-").FullName;
    private readonly List<LocalStore> _stores = [];

    [TearDown]
    public async Task CloseAsync()
    {
        foreach (LocalStore store in _stores)
        {
            await store.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task Put_ThenReopen_IsStillThere()
    {
        await using (LocalStore store = new(_folder))
        {
            LocalPathInfoService service = new(store);
            await service.PutAsync(SamplePathInfos.Full with { NarSize = 1 });
            await service.PutAsync(SamplePathInfos.Full);
        }

        await using (LocalStore store = new(_folder))
        {
            LocalPathInfoService service = new(store);

            Assert.That(await service.GetAsync(SamplePathInfos.Full.StorePath.Digest), Is.EqualTo(SamplePathInfos.Full));
            Assert.That(await service.GetAsync(SamplePathInfos.Minimal.StorePath.Digest), Is.Null);
        }
    }

    protected override ValueTask<IPathInfoService> CreateAsync()
    {
        LocalStore store = new(_folder);
        _stores.Add(store);
        return new(new LocalPathInfoService(store));
    }
}
