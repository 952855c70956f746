using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Tvix.Store.Grpc.Protocol;
using Tvix.Tests.Shared;

namespace Tvix.Store.Grpc.Tests;

/// <summary>A server in this process, on a free port of the loopback device or on a Unix socket.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly TempFolder? _folder;
    private readonly string? _socket;

    private TestServer(WebApplication app, TempFolder? folder, string? socket)
    {
        _app = app;
        _folder = folder;
        _socket = socket;
    }

    public Uri Address => new(_app.Urls.First());

    /// <summary>Where the Unix socket is.</summary>
    public string Socket => _socket ?? throw new InvalidOperationException("The server listens on TCP.");

    public IServiceProvider Services => _app.Services;

    public static async Task<TestServer> StartAsync(
        Action<WebApplication> map, bool unixSocket = false, Action<IServiceCollection>? services = null, Action<KestrelServerOptions>? kestrel = null)
    {
        TempFolder? folder = unixSocket ? new TempFolder() : null;
        string? socket = folder is null ? null : Path.Combine(folder.Path, "socket");
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            kestrel?.Invoke(options);
            if (socket is null)
            {
                options.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            }
            else
            {
                options.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2);
            }
        });
        builder.Services.AddRoutingCore();
        services?.Invoke(builder.Services);
        WebApplication app = builder.Build();
        map(app);
        await app.StartAsync();
        return new TestServer(app, folder, socket);
    }

    /// <summary>A channel to the server, which the caller disposes.</summary>
    public GrpcChannel Connect(GrpcChannelOptions? options = null) =>
        _socket is null ? new GrpcChannel(Address, options) : new GrpcChannel(new UnixDomainSocketEndPoint(_socket), options);

    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource now = new();
        await now.CancelAsync(); // no draining: calls that a test left are cut
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        _folder?.Dispose();
    }
}
