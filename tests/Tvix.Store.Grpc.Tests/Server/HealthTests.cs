using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Health.V1;
using Tvix.Store.Grpc.Server;
using Tvix.Tests.Shared;
using static Tvix.Store.Grpc.Protos.Health.V1.HealthCheckResponse.Types;
using static Tvix.Store.Grpc.Tests.Server.StoreServer;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture]
public sealed class HealthTests
{
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(7);
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(2);
    private static readonly ProtobufMarshaller<HealthCheckRequest> _request = new(HealthCheckRequest.Parser);
    private static readonly ProtobufMarshaller<HealthCheckResponse> _response = new(HealthCheckResponse.Parser);

    private static readonly GrpcMethod<HealthCheckRequest, HealthCheckResponse> _check =
        GrpcMethod<HealthCheckRequest, HealthCheckResponse>.FromDescriptor(HealthReflection.Descriptor.Services[0], "Check", _request, _response);

    private static readonly GrpcMethod<HealthCheckRequest, HealthCheckResponse> _watch =
        GrpcMethod<HealthCheckRequest, HealthCheckResponse>.FromDescriptor(HealthReflection.Descriptor.Services[0], "Watch", _request, _response);

    private ManualTime _time = null!;
    private StoreServer _server = null!;

    public static IEnumerable<string> Services =>
        from package in (string[])["tvix", "snix"]
        from service in (string[])["castore.v1.BlobService", "castore.v1.DirectoryService", "store.v1.PathInfoService"]
        select $"{package}.{service}";

    [SetUp]
    public async Task StartAsync()
    {
        _time = new ManualTime();
        _server = await StoreServer.StartAsync(options: new TvixStoreGrpcOptions { TimeProvider = _time, HealthInterval = _interval, HealthTimeout = _timeout });
    }

    [TearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [Test]
    public async Task Check_StoreThatAnswers_IsServing([ValueSource(nameof(Services))] string service)
    {
        Assert.That(await CheckAsync(service), Is.EqualTo(ServingStatus.Serving));
        Assert.That(await CheckAsync(""), Is.EqualTo(ServingStatus.Serving));
    }

    [Test]
    public void Check_UnknownService_IsNotFound([Values("nonsense", "tvix.castore.v1", "grpc.health.v1.Health")] string service) =>
        Assert.That(StatusOf(() => CheckAsync(service)).StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));

    [Test]
    public async Task Check_OneBackendFails_IsNotServingForItAndTheWhole()
    {
        _server.Directories.Before = _ => throw new StorageException("gone", isTransient: true);
        Assert.That(await CheckAsync(""), Is.EqualTo(ServingStatus.NotServing));
        foreach (string service in Services)
        {
            Assert.That(await CheckAsync(service), Is.EqualTo(service.EndsWith("DirectoryService", StringComparison.Ordinal) ? ServingStatus.NotServing : ServingStatus.Serving), service);
        }
    }

    [Test]
    public async Task Check_DataIsDamaged_IsServing()
    {
        _server.Directories.Before = _ => throw new DigestMismatchException(default, null, "x");
        Assert.That(await CheckAsync(""), Is.EqualTo(ServingStatus.Serving));
    }

    [Test]
    public async Task Check_ManyInAnInterval_AskTheBackendOnce()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => CheckAsync("")));
        _time.Advance(_interval - TimeSpan.FromTicks(1));
        await CheckAsync("snix.castore.v1.BlobService");
        Assert.That(_server.Blobs.Asked, Is.EqualTo(1));
        _time.Advance(TimeSpan.FromTicks(1));
        await CheckAsync("");
        Assert.That(_server.Blobs.Asked, Is.EqualTo(2));
    }

    [Test]
    public async Task Check_BackendHangs_IsNotServingAfterTheTimeout()
    {
        _server.PathInfos.Before = _ => new ValueTask(new TaskCompletionSource().Task); // not even a cancellation helps
        Task<ServingStatus> check = CheckAsync("");
        for (int probe = 0; probe < 3; probe++)
        {
            await _time.WaitForTimerAsync(_timeout);
        }

        _time.Advance(_timeout);
        Assert.That(await check, Is.EqualTo(ServingStatus.NotServing));
    }

    [Test]
    public async Task Check_BackendStillHangs_IsNotAskedAgainBeforeItAnswers([Values] bool blocks)
    {
        TaskCompletionSource hanging = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int asked = 0;
        _server.PathInfos.Before = _ =>
        {
            Interlocked.Increment(ref asked);
            if (blocks)
            {
                hanging.Task.Wait();
            }

            return new ValueTask(hanging.Task);
        };
        Task<ServingStatus> check = CheckAsync("tvix.store.v1.PathInfoService");
        await _time.WaitForTimerAsync(_timeout);
        _time.Advance(_timeout);
        Assert.That(await check, Is.EqualTo(ServingStatus.NotServing));
        for (int i = 0; i < 3; i++)
        {
            _time.Advance(_interval);
            Assert.That(await CheckAsync("tvix.store.v1.PathInfoService"), Is.EqualTo(ServingStatus.NotServing));
        }

        Assert.That(asked, Is.EqualTo(1));
        hanging.SetResult();
        ServingStatus status;
        while ((status = await CheckAsync("tvix.store.v1.PathInfoService")) == ServingStatus.NotServing)
        {
            _time.Advance(_interval); // until the backend has come back, which takes a moment
        }

        Assert.That(status, Is.EqualTo(ServingStatus.Serving));
        Assert.That(asked, Is.EqualTo(2));
    }

    [Test]
    public async Task Watch_StatusChanges_TellsEachChange()
    {
        await using IGrpcCall<HealthCheckRequest, HealthCheckResponse> watch = await WatchAsync("");
        Assert.That(await NextAsync(watch), Is.EqualTo(ServingStatus.Serving));

        _server.Blobs.Before = _ => throw new StorageException("gone");
        await NextIntervalAsync();
        Assert.That(await NextAsync(watch), Is.EqualTo(ServingStatus.NotServing));

        // Nothing is said while nothing changes.
        await NextIntervalAsync();
        await _time.WaitForTimerAsync(_interval);
        _server.Blobs.Before = null;
        _time.Advance(_interval);
        Assert.That(await NextAsync(watch), Is.EqualTo(ServingStatus.Serving));
    }

    [Test]
    public async Task Watch_UnknownService_SaysSoAndStaysOpen()
    {
        await using IGrpcCall<HealthCheckRequest, HealthCheckResponse> watch = await WatchAsync("nonsense");
        Assert.That(await NextAsync(watch), Is.EqualTo(ServingStatus.ServiceUnknown));
        await NextIntervalAsync();
        await _time.WaitForTimerAsync(_interval); // waits again
    }

    [Test]
    public async Task Stopping_CheckAndWatch_AreNotServingAndTheStreamEnds()
    {
        await using IGrpcCall<HealthCheckRequest, HealthCheckResponse> watch = await WatchAsync("");
        await using IGrpcCall<HealthCheckRequest, HealthCheckResponse> unknown = await WatchAsync("nonsense");
        Assert.That(await NextAsync(watch), Is.EqualTo(ServingStatus.Serving));
        Assert.That(await NextAsync(unknown), Is.EqualTo(ServingStatus.ServiceUnknown));
        await _time.WaitForTimerAsync(_interval);
        await _time.WaitForTimerAsync(_interval);

        // The beginning of a shutdown: the server still answers.
        _server.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        Assert.That(await NextAsync(watch), Is.EqualTo(ServingStatus.NotServing));
        Assert.That(await watch.MoveNextAsync(), Is.False);
        Assert.That(await unknown.MoveNextAsync(), Is.False);
        Assert.That(await CheckAsync(""), Is.EqualTo(ServingStatus.NotServing));
    }

    private async Task<ServingStatus> CheckAsync(string service) =>
        await _server.Channel.UnaryAsync(_check, new HealthCheckRequest { Service = service }, response => response.Status);

    private async Task<IGrpcCall<HealthCheckRequest, HealthCheckResponse>> WatchAsync(string service)
    {
        IGrpcCall<HealthCheckRequest, HealthCheckResponse> call = _server.Channel.Start(_watch);
        await call.WriteAsync(new HealthCheckRequest { Service = service });
        await call.CompleteAsync();
        return call;
    }

    private static async Task<ServingStatus> NextAsync(IGrpcCall<HealthCheckRequest, HealthCheckResponse> watch)
    {
        Assert.That(await watch.MoveNextAsync(), Is.True);
        return watch.Current.Status;
    }

    private async Task NextIntervalAsync()
    {
        await _time.WaitForTimerAsync(_interval);
        _time.Advance(_interval);
    }
}
