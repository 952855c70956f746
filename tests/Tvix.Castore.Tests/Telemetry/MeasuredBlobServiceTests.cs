using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Castore.Telemetry;
using Tvix.Castore.Tests.Blobs;
using Tvix.Testing;
using Tvix.Testing.Blobs;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Telemetry;

[TestFixture(true)]
[TestFixture(false)]
[TestOf(typeof(MeasuredBlobService))]
public sealed class MeasuredBlobServiceTests(bool hasListener) : BlobServiceContract
{
    private const string Name = nameof(MeasuredBlobServiceTests);
    private TelemetryListener? _listener;
    private TempFolder _folder = null!;
    private LocalStore _store = null!;

    [TearDown]
    public void StopListening() => _listener?.Dispose();

    [Test]
    public async Task Calls_AreMeasured()
    {
        B3Digest digest = await Service.PutAsync(SampleData.Bytes(100));
        await Service.PutManyAsync([SampleData.Bytes(10), SampleData.Bytes(20)], new B3Digest[2]);
        await Service.HasAsync(digest);
        await Service.HasAsync(default);
        await Service.GetChunksAsync(digest);
        (await Service.ReadAsync(digest, 100))!.Dispose();
        BlobContent?[] contents = new BlobContent?[2];
        await Service.ReadManyAsync([new BlobChunk(digest, 100), new BlobChunk(default, 100)], contents);
        contents[0]!.Dispose();
        await using (Stream stream = (await Service.OpenReadAsync(digest))!)
        {
            await stream.ReadExactlyAsync(new byte[30]);
            await stream.CopyToAsync(Stream.Null);
        }

        await using (BlobWriter writer = await Service.OpenWriteAsync())
        {
            await writer.WriteAsync(SampleData.Bytes(5));
            await writer.CompleteAsync();
        }

        string[] expected =
        [
            "blob put ok", "blob put_many ok", "blob has ok", "blob has absent", "blob get_chunks ok", "blob read ok", "blob read_many ok", "blob open_read ok",
            "blob open_write ok", "blob complete_write ok",
        ];
        if (_listener is null)
        {
            Assert.That(await Service.OpenReadAsync(digest), Is.Not.InstanceOf<MeasuredBlobStream>(), "nobody listens");
            return;
        }

        Assert.That(_listener.Operations, Is.EqualTo(expected));
        Assert.That(_listener.Activities, Is.EqualTo(expected));
        Assert.That(_listener.Digests[2], Is.EqualTo(digest.ToString()));
        Assert.That(_listener.Sum("tvix.castore.blob.written"), Is.EqualTo(135));
        Assert.That(_listener.Sum("tvix.castore.blob.read"), Is.EqualTo(300));
        Assert.That(_listener.TagNames, Has.None.Contains("digest"), "digests are no tags of metrics");
    }

    [Test]
    public async Task Calls_ThatFail_AreMeasuredAndThrow()
    {
        using TelemetryListener listener = new("broken");
        MeasuredBlobService broken = new(new FailingBlobService(), "broken");
        MeasuredBlobService cancelled = new(new MemoryBlobService(), "broken");

        Assert.That(async () => await broken.HasAsync(default), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await broken.OpenReadAsync(default), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await cancelled.HasAsync(default, new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());

        Assert.That(listener.Operations, Is.EqualTo(new[] { "blob has error", "blob open_read error", "blob has cancelled" }));
    }

    [Test]
    public void Find_Beneath_FindsTheService()
    {
        Assert.That(ServiceCapabilities.Find<LocalBlobService>(Service), Is.SameAs(_store.Blobs));
        Assert.That(ServiceCapabilities.Find<IVerifiableStore>(Service), Is.Null);
    }

    protected override ValueTask<IBlobService> CreateAsync()
    {
        _listener = hasListener ? new TelemetryListener(Name) : null;
        _folder = new TempFolder();
        _store = new LocalStore(new LocalStoreOptions { Path = _folder["store"], AverageChunkSize = 64 * 1024 });
        return new(new MeasuredBlobService(_store.Blobs, Name));
    }

    protected override async ValueTask DestroyAsync(IBlobService service)
    {
        await base.DestroyAsync(service);
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    protected override bool KeepsInChunks(int size) => size >= 128 * 1024;

    protected override bool ReadsSynchronously(int size) => !KeepsInChunks(size);
}
