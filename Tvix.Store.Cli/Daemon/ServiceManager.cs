using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Tvix.Store.Cli.Daemon;

/// <summary>Tells systemd, or whoever else listens at <c>$NOTIFY_SOCKET</c>, how the daemon does. Source: sd_notify(3).</summary>
internal sealed class ServiceManager : IAsyncDisposable
{
    private const int MaxPathLength = 107;

    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _address;
    private readonly TimeSpan? _watchdog;
    private readonly CancellationTokenSource _stop = new();
    private Task _pinging = Task.CompletedTask;

    /// <param name="getVariable">The environment. Without <c>NOTIFY_SOCKET</c> in it, nobody is told anything.</param>
    /// <param name="processId">The number of this process.</param>
    public ServiceManager(Func<string, string?> getVariable, int processId)
    {
        if (getVariable("NOTIFY_SOCKET") is not { Length: > 1 } path || path[0] is not ('/' or '@') || Encoding.UTF8.GetByteCount(path) > MaxPathLength)
        {
            return;
        }

        _address = new UnixDomainSocketEndPoint(path[0] == '@' ? "\0" + path[1..] : path);
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

        // A watchdog may be meant for another process.
        bool ours = getVariable("WATCHDOG_PID") is not { } pid || pid == processId.ToString(CultureInfo.InvariantCulture);
        if (ours && long.TryParse(getVariable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds)
            && microseconds is > 0 and < 1L << 40)
        {
            _watchdog = TimeSpan.FromMicroseconds(microseconds);
        }
    }

    public void Ready()
    {
        Send("READY=1\n");
        if (_watchdog is { } period && _pinging.IsCompleted)
        {
            _pinging = PingAsync(period / 2);
        }
    }

    public void Reloading() =>
        Send(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={(long)Stopwatch.GetElapsedTime(0).TotalMicroseconds}\n"));

    public void Stopping() => Send("STOPPING=1\n");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _pinging;
        _socket?.Dispose();
        _stop.Dispose();
    }

    private async Task PingAsync(TimeSpan period)
    {
        using PeriodicTimer timer = new(period);
        try
        {
            do
            {
                Send("WATCHDOG=1\n");
            }
            while (await timer.WaitForNextTickAsync(_stop.Token));
        }
        catch (OperationCanceledException)
        {
            // The end of the daemon.
        }
    }

    private void Send(string message)
    {
        try
        {
            _socket?.SendTo(Encoding.UTF8.GetBytes(message), _address!);
        }
        catch (SocketException)
        {
            // Nobody listens any more. That is no reason to stop serving.
        }
    }
}
