using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>A daemon in a process of its own. Ends with the test.</summary>
internal sealed partial class DaemonProcess : IAsyncDisposable
{
    public const int Hangup = 1;
    public const int Interrupt = 2;
    public const int Terminate = 15;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly SemaphoreSlim _came = new(0);
    private readonly Task _reading;

    private DaemonProcess(Process process)
    {
        _process = process;
        _reading = ReadAsync();
    }

    /// <summary>All that the daemon wrote to standard error so far.</summary>
    public string Log
    {
        get
        {
            lock (_lines)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    /// <summary>Starts a daemon, which may not be ready yet.</summary>
    /// <param name="storeAddress">Its store.</param>
    /// <param name="arguments">What follows <c>daemon</c>.</param>
    /// <param name="variables">Environment variables.</param>
    /// <param name="passed">The descriptor of a socket that the daemon finds as its number 3, and 4 too.</param>
    public static DaemonProcess Launch(
        string storeAddress, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? variables = null, int? passed = null)
    {
        string pass = passed is { } descriptor ? $"exec 3<&{descriptor} 4<&{descriptor}; export LISTEN_PID=$$; " : "";
        ProcessStartInfo start = new("env")
        {
            ArgumentList =
            {
                "--default-signal=INT,TERM,HUP", "bash", "-c", pass + "exec dotnet \"$0\" daemon \"$@\"",
                Path.Combine(AppContext.BaseDirectory, "tvix-store.dll"),
            },
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["TVIX_STORE"] = storeAddress;
        start.Environment.Remove("NOTIFY_SOCKET");
        foreach ((string name, string value) in variables ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return new DaemonProcess(Process.Start(start)!);
    }

    /// <summary>Starts a daemon and waits until it listens.</summary>
    public static async Task<DaemonProcess> StartAsync(string storeAddress, params string[] arguments)
    {
        DaemonProcess daemon = Launch(storeAddress, arguments);
        await daemon.AddressAsync();
        return daemon;
    }

    /// <summary>The address that the daemon says it listens on; of several, the one with a number, from 0.</summary>
    public async Task<string> AddressAsync(int index = 0) =>
        (await WaitForAsync(log => ListeningLine().Matches(log) is { } matches && matches.Count > index ? matches[index].Groups[1].Value : null))!;

    /// <summary>Waits until something has been logged.</summary>
    public Task WaitForAsync(string text) => WaitForAsync(log => log.Contains(text, StringComparison.Ordinal) ? text : null);

    /// <summary>A channel to an address of the daemon.</summary>
    public static GrpcChannel Connect(string address, string? token = null, GrpcChannelOptions? options = null)
    {
        options ??= new GrpcChannelOptions();
        options.Retry = null;
        options.BearerToken = token is null ? null : _ => new(token);
        return address[0] == '@' ? new GrpcChannel(new UnixDomainSocketEndPoint("\0" + address[1..]), options)
            : address.StartsWith("unix:", StringComparison.Ordinal) ? new GrpcChannel(new UnixDomainSocketEndPoint(address[5..]), options)
            : new GrpcChannel(new Uri(address), options);
    }

    /// <summary>A channel to the first address.</summary>
    public async Task<GrpcChannel> ConnectAsync(string? token = null) => Connect(await AddressAsync(), token);

    public void Signal(int signal) => Assert.That(Kill(_process.Id, signal), Is.Zero);

    /// <summary>Waits for the end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> WaitForExitAsync()
    {
        using CancellationTokenSource patience = new(s_patience);
        await _process.WaitForExitAsync(patience.Token);
        await _reading;
        return _process.ExitCode;
    }

    /// <summary>Asks the daemon to end, and expects that it does so in order.</summary>
    public async Task StopAsync()
    {
        Signal(Terminate);
        Assert.That(await WaitForExitAsync(), Is.Zero, Log);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
        _came.Dispose();
    }

    private async Task<string?> WaitForAsync(Func<string, string?> find)
    {
        while (true)
        {
            bool ended = _reading.IsCompleted;
            if (find(Log) is { } found)
            {
                return found;
            }

            Assert.That(ended, Is.False, $"The daemon ended:\n{Log}");
            Assert.That(await _came.WaitAsync(s_patience), Is.True, $"The daemon does not say it:\n{Log}");
        }
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            lock (_lines)
            {
                _lines.Add(line);
            }

            _came.Release();
        }

        // Whoever waits looks once more, and sees that there is no more.
        _ = Task.Run(() => _came.Release(100));
    }

    [GeneratedRegex(@"listening on (\S[^""\n]*)")]
    private static partial Regex ListeningLine();

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
