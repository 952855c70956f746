using System.Diagnostics;
using NUnit.Framework;
using Tvix.Store.Grpc.Client;
using Tvix.Store.Grpc.Protocol;
using Tvix.Tests.Shared;

namespace Tvix.Store.Grpc.Tests.Foreign;

/// <summary>The server of <c>server.py</c>, in a process of its own on a Unix socket, with stubs made of our <c>.proto</c> files by protoc.</summary>
internal sealed class PythonServer : IAsyncDisposable
{
    private const string Python = "/usr/bin/python3";

    private readonly TempFolder _folder;
    private readonly Process _process;

    private PythonServer(TempFolder folder, Process process)
    {
        _folder = folder;
        _process = process;
    }

    /// <summary>Starts the server; the test is ignored where its programs are not installed.</summary>
    public static async Task<PythonServer> StartAsync()
    {
        string root = RepositoryRoot();
        string protos = Path.Combine(root, "Tvix.Store.Grpc", "Protos");
        string? plugin = Find("grpc_python_plugin");
        if (plugin is null || Find("protoc") is null || Find("b3sum") is null || !await SucceedsAsync(Python, "-c", "import grpc, google.protobuf"))
        {
            Assert.Ignore("grpcio, protoc, grpc_python_plugin or b3sum is not installed.");
        }

        TempFolder folder = new();
        string stubs = Directory.CreateDirectory(folder["stubs"]).FullName;
        string[] files = [.. Directory.EnumerateFiles(Path.Combine(protos, "tvix"), "*.proto", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(protos, file))];
        Assert.That(
            await SucceedsAsync("protoc", ["-I" + protos, "--python_out=" + stubs, "--grpc_python_out=" + stubs, "--plugin=protoc-gen-grpc_python=" + plugin, .. files]), "protoc");
        ProcessStartInfo start = new(Python, [Path.Combine(root, "tests", "Tvix.Store.Grpc.Tests", "Foreign", "server.py"), stubs, folder["socket"]]) { RedirectStandardOutput = true };
        Process process = Process.Start(start)!;
        Assert.That(await process.StandardOutput.ReadLineAsync(), Is.EqualTo("ready"));
        return new PythonServer(folder, process);
    }

    /// <summary>A client whose calls ask the server to behave in some way.</summary>
    /// <param name="behaviour">The way; empty for a good one.</param>
    /// <param name="timeout">How long a call may take without any progress; <see langword="null"/> for the default.</param>
    public GrpcStore Connect(string behaviour = "", TimeSpan? timeout = null)
    {
        string seconds = timeout is { } time ? "?timeout=" + time.TotalSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture) : "";
        return new GrpcStore(GrpcStoreAddress.Parse("grpc+unix:" + _folder["socket"] + seconds), options =>
        {
            options.Retry = new GrpcRetryOptions { InitialBackoff = TimeSpan.FromMilliseconds(1) };
            options.ConfigureHandler = inner => new BehaviourHandler(inner, behaviour);
        });
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _folder.Dispose();
    }

    private static async Task<bool> SucceedsAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        await TestContext.Error.WriteAsync(errors);
        return process.ExitCode == 0;
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static string RepositoryRoot()
    {
        DirectoryInfo folder = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Tvix.sln")))
        {
            folder = folder.Parent ?? throw new InvalidOperationException("The repository's root was not found.");
        }

        return folder.FullName;
    }

    private sealed class BehaviourHandler(HttpMessageHandler inner, string behaviour) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (behaviour.Length > 0)
            {
                request.Headers.Add("behaviour", behaviour);
            }

            return base.SendAsync(request, cancellationToken);
        }
    }
}
