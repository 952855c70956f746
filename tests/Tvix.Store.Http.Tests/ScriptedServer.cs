using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Tvix.Store.Http.Tests;

/// <summary>A server that answers as the test says, and remembers what it was asked.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ScriptedServer(WebApplication app) => _app = app;

    /// <summary>Method, path with query, and headers of each request.</summary>
    public ConcurrentQueue<(string Method, string Path, IHeaderDictionary Headers)> Requests { get; } = [];

    /// <summary>Answers requests; the number counts from 1.</summary>
    public Func<HttpContext, int, Task> Answer { get; set; } = (_, _) => Task.CompletedTask;

    public Uri Url => new(_app.Urls.First());

    public static async Task<ScriptedServer> StartAsync(Func<HttpContext, int, Task>? answer = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1));
        WebApplication app = builder.Build();
        ScriptedServer server = new(app);
        server.Answer = answer ?? server.Answer;
        app.Run(async http =>
        {
            HeaderDictionary headers = new(http.Request.Headers.ToDictionary(header => header.Key, header => header.Value));
            int number;
            lock (server)
            {
                server.Requests.Enqueue((http.Request.Method, http.Request.Path + http.Request.QueryString, headers));
                number = server.Requests.Count;
            }

            await server.Answer(http, number);
        });
        await app.StartAsync();
        return server;
    }

    /// <summary>Sends so many bytes of a file. When nothing follows, that is what the server closes the connection after.</summary>
    public static async Task SendPartAsync(HttpContext http, byte[] bytes, int from, int count)
    {
        http.Response.ContentLength ??= bytes.Length - from;
        await http.Response.Body.WriteAsync(bytes.AsMemory(from, count));
        await http.Response.Body.FlushAsync();
    }

    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource now = new();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }
}
