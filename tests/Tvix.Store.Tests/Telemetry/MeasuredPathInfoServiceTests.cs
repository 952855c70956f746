using NUnit.Framework;
using Tvix.Store.PathInfos;
using Tvix.Store.Telemetry;
using Tvix.Testing.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests.Telemetry;

[TestFixture(true)]
[TestFixture(false)]
[TestOf(typeof(MeasuredPathInfoService))]
public sealed class MeasuredPathInfoServiceTests(bool hasListener) : PathInfoServiceContract
{
    private TelemetryListener? _listener;

    [SetUp]
    public void Listen() => _listener = hasListener ? new TelemetryListener(nameof(MeasuredPathInfoServiceTests)) : null;

    [TearDown]
    public void StopListening() => _listener?.Dispose();

    [Test]
    public async Task Calls_AreMeasured()
    {
        IPathInfoService service = await CreateAsync();
        await service.PutAsync(SamplePathInfos.Full);
        await service.GetAsync(SamplePathInfos.Full.StorePath.Digest);
        await service.GetAsync(SamplePathInfos.Minimal.StorePath.Digest);
        await foreach (PathInfo _ in service.ListAsync())
        {
        }

        Assert.That(
            _listener?.Operations ?? [], Is.EqualTo(hasListener ? ["path_info put ok", "path_info get ok", "path_info get absent", "path_info list ok"] : Array.Empty<string>()));
        Assert.That(_listener?.Activities ?? [], Is.EqualTo(_listener?.Operations ?? []));
    }

    protected override ValueTask<IPathInfoService> CreateAsync() =>
        new(new MeasuredPathInfoService(new MemoryPathInfoService(), nameof(MeasuredPathInfoServiceTests)));
}
