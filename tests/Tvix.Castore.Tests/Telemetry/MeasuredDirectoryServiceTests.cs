using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Castore.Telemetry;
using Tvix.Testing;
using Tvix.Testing.Directories;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Telemetry;

[TestFixture(true)]
[TestFixture(false)]
[TestOf(typeof(MeasuredDirectoryService))]
public sealed class MeasuredDirectoryServiceTests(bool hasListener) : DirectoryServiceContract
{
    private const string Name = nameof(MeasuredDirectoryServiceTests);
    private TelemetryListener? _listener;

    [TearDown]
    public void StopListening() => _listener?.Dispose();

    [Test]
    public async Task Calls_AreMeasured()
    {
        await Service.PutAsync(SampleTrees.Keep);
        await Service.GetAsync(SampleTrees.Keep.Digest);
        await Service.GetAsync(SampleTrees.Empty.Digest);
        await Service.GetClosureAsync(SampleTrees.Keep.Digest).ToListAsync();
        await Service.GetClosureAsync(SampleTrees.Empty.Digest).ToListAsync();
        await foreach (CastoreDirectory _ in Service.GetClosureAsync(SampleTrees.Keep.Digest))
        {
            break;
        }

        await using (DirectoryPutter putter = Service.OpenPutter())
        {
            await putter.PutAsync(SampleTrees.Empty);
            await putter.CompleteAsync();
        }

        string[] expected =
        [
            "directory put ok", "directory get ok", "directory get absent", "directory get_closure ok", "directory get_closure absent",
            "directory get_closure ok", "directory complete_put ok",
        ];
        Assert.That(_listener?.Operations ?? [], Is.EqualTo(hasListener ? expected : Array.Empty<string>()));
    }

    protected override ValueTask<IDirectoryService> CreateAsync()
    {
        _listener = hasListener ? new TelemetryListener(Name) : null;
        return new(new MeasuredDirectoryService(new MemoryDirectoryService(), Name));
    }
}
