using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Tests;

/// <summary>A binary cache in this process, on a free port of the loopback device, and a client of it.</summary>
internal sealed class CacheServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly SemaphoreSlim _logged;

    private CacheServer(WebApplication app, TvixStore store, ConcurrentQueue<string> log, SemaphoreSlim logged)
    {
        _logged = logged;
        _app = app;
        Store = store;
        Log = log;
        Client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
    }

    public TvixStore Store { get; }

    public HttpClient Client { get; }

    /// <summary>What was logged: level, category and message, and a failure if there was one.</summary>
    public ConcurrentQueue<string> Log { get; }

    /// <summary>Returns once the log is as it should be. It is looked at whenever something was added; so one test at a time waits.</summary>
    public async Task WaitForLogAsync(Func<ConcurrentQueue<string>, bool> isSo)
    {
        using CancellationTokenSource tooLong = new(TimeSpan.FromSeconds(30));
        while (!isSo(Log))
        {
            await _logged.WaitAsync(tooLong.Token);
        }
    }

    /// <summary>Everything that is mapped.</summary>
    public IEnumerable<RouteEndpoint> Endpoints => ((IEndpointRouteBuilder)_app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>();

    public int Port => Client.BaseAddress!.Port;

    public static TvixStore NewStore() => new(new MemoryBlobService(), new MemoryDirectoryService(), new MemoryPathInfoService());

    public static async Task<CacheServer> StartAsync(TvixStore? store = null, NixBinaryCacheOptions? options = null)
    {
        store ??= NewStore();
        ConcurrentQueue<string> log = [];
        SemaphoreSlim logged = new(0);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1));
        builder.Services.AddRoutingCore();
        builder.Services.AddLogging(logging => logging.AddProvider(new QueueLoggerProvider(log, logged)));
        WebApplication app = builder.Build();
        app.MapNixBinaryCache(store, options);
        await app.StartAsync();
        return new CacheServer(app, store, log, logged);
    }

    public Task<HttpResponseMessage> GetAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Get, path, null, headers);

    public Task<HttpResponseMessage> HeadAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Head, path, null, headers);

    public Task<HttpResponseMessage> PutAsync(string path, ReadOnlyMemory<byte> body, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Put, path, body, headers);

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, ReadOnlyMemory<byte>? body, params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(method, path);
        if (body is { } bytes)
        {
            request.Content = new ReadOnlyMemoryContent(bytes);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        }

        foreach ((string name, string value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
            {
                request.Content!.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return await Client.SendAsync(request);
    }

    /// <summary>Stores a tree under a name, addressed by its contents.</summary>
    public async Task<PathInfo> AddAsync(string name, Node root, params IEnumerable<StorePath> references)
    {
        NarDigest nar = await new RenderingNarCalculationService(Store.Blobs, Store.Directories).CalculateAsync(root);
        ContentAddress address = ContentAddress.Nar(nar.Sha256);
        StorePath[] sorted = [.. references.Order()];
        return await Store.PathInfos.PutAsync(new PathInfo
        {
            StorePath = StorePathBuilder.FromContentAddress(name, address, sorted),
            Node = root,
            NarSize = nar.Size,
            NarHash = nar.Sha256,
            References = sorted,
            ContentAddress = address,
        });
    }

    public async Task<Node> AddFileAsync(byte[] contents, bool executable = false) =>
        new Node.File(await Store.Blobs.PutAsync(contents), (ulong)contents.Length, executable);

    /// <summary>A folder with files of many lengths, an executable, a link, an empty folder and one in it.</summary>
    public async Task<Node> AddTreeAsync()
    {
        byte[] bytes = new byte[300_000];
        new Random(7).NextBytes(bytes);
        CastoreDirectory inner = CastoreDirectory.FromEntries(
            [Entry("link", new Node.Symlink(new SymlinkTarget("../large"))), Entry("run", await AddFileAsync("#!/bin/sh\n"u8.ToArray(), executable: true))]);
        await Store.Directories.PutAsync(inner);
        await Store.Directories.PutAsync(CastoreDirectory.Empty);
        CastoreDirectory root = CastoreDirectory.FromEntries(
        [
            Entry("bin", inner.ToNode()), Entry("empty", CastoreDirectory.Empty.ToNode()), Entry("large", await AddFileAsync(bytes)),
            Entry("nothing", await AddFileAsync([])), Entry("small", await AddFileAsync("seven b"u8.ToArray())),
        ]);
        await Store.Directories.PutAsync(root);
        return root.ToNode();
    }

    public async Task<byte[]> RenderAsync(Node root)
    {
        MemoryStream nar = new();
        await Store.WriteNarAsync(root, nar);
        return nar.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        using CancellationTokenSource now = new();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private static DirectoryEntry Entry(string name, Node node) => new(new PathComponent(Encoding.UTF8.GetBytes(name)), node);

    private sealed class QueueLoggerProvider(ConcurrentQueue<string> lines, SemaphoreSlim logged) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                lines.Enqueue($"{logLevel}: {formatter(state, exception)} {exception}");
                logged.Release();
            }
        }

        public void Dispose()
        {
        }
    }
}
