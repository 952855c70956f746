using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Tvix.Castore.Composition;
using Tvix.Store.Access;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Http;
using Tvix.Store.NarInfos;

namespace Tvix.Store.Cli.Daemon;

/// <summary>Serves a store over gRPC and as a binary cache until it is told to end.</summary>
internal sealed class TvixDaemon(DaemonOptions options, TvixStore store, ToolEnvironment environment)
{
    // What a client may send before a handler takes it is what a call, and all calls of a connection together, can hold in memory.
    private const int StreamWindowSize = 1 << 20;
    private const int ConnectionWindowSize = 8 << 20;
    private const int MaxFrameSize = 256 << 10;

    // Two pieces of a NAR: one is sent while the next is read.
    private const int ResponseBufferSize = 512 << 10;

    private readonly CallCounter _calls = new();
    private readonly List<(ListenOptions Listener, Func<string> Describe)> _listeners = [];

    /// <summary>Serves.</summary>
    /// <param name="stop">When it fires, no new calls are taken, and those that are under way get the time to end.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(CancellationToken stop)
    {
        await using ServiceManager manager = new(environment.GetVariable, Environment.ProcessId);
        using DaemonTelemetry? telemetry = options.Export ? DaemonTelemetry.Start(options.ExportTo) : null;
        await using WebApplication app = Build();
        ILogger logger = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("tvix-store");
        await StartAsync(app, stop);
        Announce(logger);

        using PosixSignalRegistration reload = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            manager.Reloading();
            Reload(logger);
            manager.Ready();
        });
        manager.Ready();
        await Task.WhenAll(WaitAsync(stop), IdleMemory.ReleaseAsync(_calls, stop));

        manager.Stopping();
        DaemonLog.Draining(logger, _calls.Active, options.DrainTimeout.TotalSeconds);
        await DrainAsync(app, logger);
        DaemonLog.Ended(logger);
        return ExitCode.Success;
    }

    private WebApplication Build()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "tvix-store" });
        ConfigureLogging(builder.Logging);
        builder.Services.AddRoutingCore();
        builder.Services.AddTvixStore(services => services // in a container, services are measured
            .AddService(TvixStoreBuilder.RootName, _ => store.Blobs)
            .AddService(TvixStoreBuilder.RootName, _ => store.Directories)
            .AddService(TvixStoreBuilder.RootName, _ => store.PathInfos));
        builder.Services.RemoveAll<IHostLifetime>().AddSingleton<IHostLifetime, NoHostLifetime>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan); // draining has a time of its own
        builder.Services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = BindSocket);
        builder.WebHost.UseKestrelCore();
        if (options.Certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        builder.WebHost.ConfigureKestrel(ConfigureKestrel);
        WebApplication app = builder.Build();
        app.Use(next => http => _calls.CountAsync(http, next));
        app.UseGrpcTelemetry();
        AccessPolicy? access = options.Tokens is { } tokens ? new AccessPolicy { Tokens = () => tokens.Current, PublicRead = options.PublicRead } : null;
        if (access is not null)
        {
            app.UseGrpcAccess(access);
        }

        if (options.MaxConcurrentCalls is { } maxCalls)
        {
            app.UseGrpcCallLimit(maxCalls);
        }

        app.MapTvixStore(new TvixStoreGrpcOptions { IsReadOnly = options.ReadOnly });
        if (options.HttpAddresses.Count + options.PublicAddresses.Count > 0)
        {
            NixBinaryCacheOptions cache = new()
            {
                StoreDirectory = store.StoreDirectory,
                Access = access,
                IsPublic = static http => http.Features.Get<PublicConnection>() is not null,
                IsReadOnly = options.ReadOnly,
                UploadFolder = options.UploadFolder,
                NarCompression = options.NarCompression,
                KeptFilesFolder = options.KeptFilesFolder,
                ShowPages = options.HttpPages,
            };
            foreach (SigningKey key in options.HttpKeys)
            {
                cache.SigningKeys.Add(key);
            }

            app.MapNixBinaryCache(cache);
        }

        return app;
    }

    private void ConfigureLogging(ILoggingBuilder logging)
    {
        logging.SetMinimumLevel(options.LogLevel);
        if (options.LogLevel > LogLevel.Debug)
        {
            // What the framework tells of each request is told already.
            logging.AddFilter("Microsoft", options.LogLevel > LogLevel.Warning ? options.LogLevel : LogLevel.Warning);
            logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // its failures end the tool, which says why
        }

        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (options.LogJson)
        {
            logging.AddJsonConsole(json =>
            {
                json.UseUtcTimestamp = true;
                json.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
            });
        }
        else
        {
            logging.AddSimpleConsole(text =>
            {
                text.SingleLine = true;
                text.UseUtcTimestamp = true;
                text.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
                text.ColorBehavior = environment.ErrorIsTerminal ? LoggerColorBehavior.Enabled : LoggerColorBehavior.Disabled;
            });
        }
    }

    private void ConfigureKestrel(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;
        kestrel.Limits.MaxRequestBodySize = null; // streams of messages, each of which has a limit
        kestrel.Limits.MinRequestBodyDataRate = null; // and which may pause
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxResponseBufferSize = ResponseBufferSize;
        kestrel.Limits.Http2.MaxStreamsPerConnection = options.MaxStreamsPerConnection;
        kestrel.Limits.Http2.InitialStreamWindowSize = StreamWindowSize;
        kestrel.Limits.Http2.InitialConnectionWindowSize = ConnectionWindowSize;
        kestrel.Limits.Http2.MaxFrameSize = MaxFrameSize;
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(60);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
        foreach (ListenAddress address in options.Addresses)
        {
            Listen(kestrel, address, ConfigureGrpc);
        }

        foreach (ListenAddress address in options.HttpAddresses)
        {
            Listen(kestrel, address, ConfigureHttp);
        }

        foreach (ListenAddress address in options.PublicAddresses)
        {
            Listen(kestrel, address, ConfigurePublic);
        }
    }

    private void Listen(KestrelServerOptions kestrel, ListenAddress address, Action<ListenOptions, Func<string>> configure)
    {
        switch (address)
        {
            case ListenAddress.Tcp tcp:
                kestrel.Listen(tcp.EndPoint, listener => configure(listener, () => Url(listener.IPEndPoint!)));
                break;
            case ListenAddress.Unix unix:
                kestrel.Listen(unix.EndPoint, listener => configure(listener, () => "unix:" + unix.Path));
                break;
            case ListenAddress.Abstract name:
                kestrel.Listen(name.EndPoint, listener => configure(listener, () => name.Name));
                break;
            case ListenAddress.Passed passed:
                foreach (int descriptor in PassedSockets.Find(passed, environment.GetVariable, Environment.ProcessId))
                {
                    string text = string.Create(CultureInfo.InvariantCulture, $"passed socket {descriptor}");
                    kestrel.ListenHandle((ulong)descriptor, listener => configure(listener, () => listener.IPEndPoint is { } tcp ? Url(tcp) : text));
                }

                break;
        }
    }

    private void ConfigureGrpc(ListenOptions listener, Func<string> describe)
    {
        listener.Protocols = HttpProtocols.Http2;
        if (options.Certificate is { } certificate)
        {
            listener.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => new(certificate.Options) });
        }

        _listeners.Add((listener, describe));
    }

    private void ConfigureHttp(ListenOptions listener, Func<string> describe)
    {
        // Without TLS, a connection is of one protocol from its start, and Nix begins with HTTP/1.1.
        listener.Protocols = options.Certificate is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
        if (options.Certificate is { } certificate)
        {
            listener.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => new(certificate.HttpOptions) });
        }

        _listeners.Add((listener, describe));
    }

    /// <summary>HTTP/1.1 only, since gRPC needs HTTP/2, and whatever is served so needs a token.</summary>
    private void ConfigurePublic(ListenOptions listener, Func<string> describe)
    {
        ConfigureHttp(listener, describe);
        listener.Protocols = HttpProtocols.Http1;
        listener.Use(next => connection =>
        {
            connection.Features.Set(PublicConnection.Instance);
            return next(connection);
        });
    }

    /// <summary>Marks the connections that came in where everybody may read and nobody may write.</summary>
    private sealed class PublicConnection
    {
        public static PublicConnection Instance { get; } = new();
    }

    private string Url(IPEndPoint endPoint) => $"{(options.Certificate is null ? "http" : "https")}://{endPoint}";

    private Socket BindSocket(EndPoint endPoint) =>
        options.AllAddresses.OfType<ListenAddress.Unix>().FirstOrDefault(address => ReferenceEquals(address.EndPoint, endPoint)) is { } unix
            ? SocketFile.Bind(unix, options.SocketMode, options.ReplaceSockets)
            : SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);

    private async Task StartAsync(WebApplication app, CancellationToken stop)
    {
        try
        {
            await app.StartAsync(stop);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            string hint = !options.ReplaceSockets && options.AllAddresses.OfType<ListenAddress.Unix>().Any(unix => PathOnDisk.Exists(unix.Path))
                ? " If the socket was left behind, see --unix-listen-unlink."
                : "";
            throw new ToolException(ExitCode.Failure, $"The daemon cannot listen: {e.Message}{hint}", e);
        }
    }

    /// <summary>Says that the daemon is ready, and what should be known of it.</summary>
    private void Announce(ILogger logger)
    {
        if (options.Tokens is { IsWorldReadable: true } tokens)
        {
            DaemonLog.TokensExposed(logger, tokens.Path);
        }

        if (options.PortFile is { } path)
        {
            // Who waits for the file finds all of it.
            string unfinished = path + ".new";
            File.WriteAllLines(unfinished, _listeners.Select(l => l.Listener.IPEndPoint).OfType<IPEndPoint>().Select(e => e.Port.ToString(CultureInfo.InvariantCulture)));
            File.Move(unfinished, path, overwrite: true);
        }

        foreach ((ListenOptions listener, Func<string> describe) in _listeners)
        {
            string text = describe();
            if (listener.IPEndPoint is { } tcp && !IPAddress.IsLoopback(tcp.Address))
            {
                if (options is { Tokens: null, ReadOnly: false })
                {
                    DaemonLog.OpenToAll(logger, text);
                }
                else if (options is { Tokens: not null, Certificate: null })
                {
                    DaemonLog.TokensInClear(logger, text);
                }
            }

            DaemonLog.Listening(logger, text);
        }
    }

    private void Reload(ILogger logger)
    {
        try
        {
            options.Tokens?.Reload();
            options.Certificate?.Reload();
            DaemonLog.Reloaded(logger);
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException or ToolException)
        {
            DaemonLog.ReloadFailed(logger, e.Message);
        }
    }

    private async Task DrainAsync(WebApplication app, ILogger logger)
    {
        using CancellationTokenSource cut = new(options.DrainTimeout);
        await using CancellationTokenRegistration registration = cut.Token.Register(() =>
        {
            if (_calls.Active > 0)
            {
                DaemonLog.Cut(logger, _calls.Active);
            }
        });
        try
        {
            await app.StopAsync(cut.Token);
        }
        catch (OperationCanceledException) when (cut.IsCancellationRequested)
        {
            // The calls are cut; the store is closed once their handlers have ended, however long a write to disk takes. A second signal does not wait.
        }

        await _calls.WhenNoneAsync();
    }

    private static async Task WaitAsync(CancellationToken stop)
    {
        TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = stop.Register(stopped.SetResult);
        await stopped.Task;
    }
}
