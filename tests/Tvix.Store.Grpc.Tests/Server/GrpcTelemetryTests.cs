using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NUnit.Framework;
using Tvix.Store.Access;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Grpc.Tests.Protocol;
using Tvix.Store.Grpc.Tests.Protos;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture]
[NonParallelizable]
public sealed class GrpcTelemetryTests
{
    private const string Token = "secret-token-0123456789";

    private readonly Recorder _log = new();
    private TestServer _server = null!;
    private GrpcChannel _channel = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _log.Lines.Clear();
        AccessTokens tokens = AccessTokens.Parse($"write {Token} ci");
        _server = await TestServer.StartAsync(
            app =>
            {
                app.UseGrpcTelemetry();
                app.UseGrpcAccess(new AccessPolicy { Tokens = () => tokens, PublicRead = true });
                app.MapGrpc([EchoService.Define(BehaveAsync)]);
            },
            services: services => services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(_log)));
        _channel = _server.Connect(new GrpcChannelOptions { Retry = null, BearerToken = _ => new(Token) });
    }

    [TearDown]
    public async Task StopAsync()
    {
        _channel.Dispose();
        await _server.DisposeAsync();
    }

    [OneTimeTearDown]
    public void RemoveLog() => _log.Dispose();

    private static ValueTask BehaveAsync(EchoMessage request, IGrpcServerContext context) => request.Behaviour.Length == 0
        ? ValueTask.CompletedTask
        : throw new GrpcException(Enum.Parse<GrpcStatusCode>(request.Behaviour), "as was asked");

    [TestCase("", "OK", LogLevel.Information)]
    [TestCase(nameof(GrpcStatusCode.InvalidArgument), "INVALID_ARGUMENT", LogLevel.Information)]
    [TestCase(nameof(GrpcStatusCode.NotFound), "NOT_FOUND", LogLevel.Information)]
    [TestCase(nameof(GrpcStatusCode.Internal), "INTERNAL", LogLevel.Warning)]
    [TestCase(nameof(GrpcStatusCode.DataLoss), "DATA_LOSS", LogLevel.Warning)]
    public async Task Call_ThatEnds_IsLoggedOnceAndWithoutItsToken(string behaviour, string status, LogLevel level)
    {
        await CallAsync(behaviour);
        (LogLevel Level, string Text) line = await _log.WaitForAsync("Tvix.Store.Grpc.Calls");
        Assert.That(line.Level, Is.EqualTo(level));
        Assert.That(line.Text, Does.Match($@"\S+/Unary {status} in [0-9.]+ ms for 127\.0\.0\.1:\d+, token ci$"));
        Assert.That(_log.Lines, Is.Not.Empty.And.None.Matches<(string, LogLevel, string Text)>(entry => entry.Text.Contains(Token, StringComparison.Ordinal)));
    }

    [Test]
    public async Task Call_ThatEnds_IsCountedAndTimed()
    {
        ConcurrentQueue<(string Instrument, double Value, Dictionary<string, object?> Tags)> measured = new();
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == GrpcTelemetry.MeterName)
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => measured.Enqueue((instrument.Name, value, new(tags.ToArray()))));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => measured.Enqueue((instrument.Name, value, new(tags.ToArray()))));
        listener.Start();

        await CallAsync(nameof(GrpcStatusCode.NotFound));
        await _log.WaitForAsync("Tvix.Store.Grpc.Calls");

        Assert.That(measured.Where(m => m.Instrument == "tvix.store.grpc.server.active_calls").Select(m => m.Value), Is.EqualTo((double[])[1, -1]));
        var count = measured.Single(m => m.Instrument == "tvix.store.grpc.server.calls");
        Assert.That(count.Value, Is.EqualTo(1));
        Assert.That(count.Tags["status"], Is.EqualTo("NOT_FOUND"));
        Assert.That(count.Tags["method"], Is.EqualTo(EchoService.Unary.Path[1..]));
        var duration = measured.Single(m => m.Instrument == "rpc.server.duration");
        Assert.That(duration.Value, Is.GreaterThan(0));
        Assert.That(duration.Tags["rpc.grpc.status_code"], Is.EqualTo(5));
        Assert.That(duration.Tags["rpc.method"], Is.EqualTo("Unary"));
        Assert.That(duration.Tags["rpc.system"], Is.EqualTo("grpc"));
    }

    [Test]
    public async Task Call_OfAnUnknownMethod_IsCountedUnderOneName()
    {
        GrpcMethod<EchoMessage, EchoMessage> bogus = EchoService.Unary with { Name = "Bogus" };
        Assert.ThrowsAsync<GrpcException>(async () => await _channel.UnaryAsync(bogus, new EchoMessage(), message => message));
        Assert.That((await _log.WaitForAsync("Tvix.Store.Grpc.Calls")).Text, Does.StartWith("unknown UNIMPLEMENTED in"));
    }

    [Test]
    public async Task Call_WithTraceContext_IsAChildOfTheCaller()
    {
        TaskCompletionSource<Activity> served = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == "Microsoft.AspNetCore",
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity => served.TrySetResult(activity),
        };
        ActivitySource.AddActivityListener(listener);
        using Activity caller = new Activity("caller").SetIdFormat(ActivityIdFormat.W3C).Start();
        caller.ActivityTraceFlags = ActivityTraceFlags.Recorded;
        await CallAsync(nameof(GrpcStatusCode.Internal));
        Activity activity = await served.Task.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.That(activity.TraceId, Is.EqualTo(caller.TraceId));
        Assert.That(activity.HasRemoteParent, Is.True);
        Assert.That(activity.DisplayName, Is.EqualTo(EchoService.Unary.Path[1..]));
        Assert.That(activity.GetTagItem("rpc.grpc.status_code"), Is.EqualTo(13));
        Assert.That(activity.Status, Is.EqualTo(ActivityStatusCode.Error));
    }

    private async Task CallAsync(string behaviour)
    {
        try
        {
            await _channel.UnaryAsync(EchoService.Unary, new EchoMessage { Behaviour = behaviour }, message => message);
        }
        catch (GrpcException e)
        {
            Assert.That(e.StatusCode.ToString(), Is.EqualTo(behaviour));
        }
    }

    /// <summary>Keeps what is logged.</summary>
    private sealed class Recorder : ILoggerProvider
    {
        private readonly SemaphoreSlim _came = new(0);

        public ConcurrentQueue<(string Category, LogLevel Level, string Text)> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

        public async Task<(LogLevel Level, string Text)> WaitForAsync(string category)
        {
            while (true)
            {
                foreach ((string from, LogLevel level, string text) in Lines)
                {
                    if (from == category)
                    {
                        return (level, text);
                    }
                }

                Assert.That(await _came.WaitAsync(TimeSpan.FromMinutes(1)), Is.True, "nothing was logged");
            }
        }

        public void Dispose() => _came.Dispose();

        private sealed class Category(Recorder recorder, string name) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                recorder.Lines.Enqueue((name, logLevel, formatter(state, exception)));
                recorder._came.Release();
            }
        }
    }
}
