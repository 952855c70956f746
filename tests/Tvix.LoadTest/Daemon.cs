using System.Diagnostics;
using System.Globalization;

namespace Tvix.LoadTest;

/// <summary>A daemon on a TCP port and a Unix socket, and what the system tells of its process.</summary>
internal sealed class Daemon : IDisposable
{
    private readonly Process _process;
    private readonly Task _reading;
    private readonly List<string> _log = [];
    private readonly string _store;

    private Daemon(Process process, string store)
    {
        _process = process;
        _store = store + Path.DirectorySeparatorChar;
        _reading = ReadLogAsync();
    }

    /// <summary>The addresses of the store, as clients take them.</summary>
    public required IReadOnlyList<string> Addresses { get; set; }

    /// <summary>What it logged; only warnings and worse.</summary>
    public IReadOnlyList<string> Log
    {
        get
        {
            lock (_log)
            {
                return [.. _log];
            }
        }
    }

    public static async Task<Daemon> StartAsync(string tool, string store, string folder)
    {
        string socket = Path.Combine(folder, "socket");
        string ports = Path.Combine(folder, "ports");
        Daemon daemon = new(Process.Start(new ProcessStartInfo(tool)
        {
            ArgumentList = { "--store", "local:" + store, "daemon", "--listen", "127.0.0.1:0", "--listen", socket, "--port-file", ports, "--log-level", "warn" },
            RedirectStandardError = true,
        })!, store) { Addresses = [] };
        while (!File.Exists(ports))
        {
            if (daemon._process.HasExited)
            {
                throw new InvalidOperationException("The daemon does not start: " + string.Join('\n', daemon.Log));
            }

            await Task.Delay(50);
        }

        daemon.Addresses = [$"grpc+http://127.0.0.1:{(await File.ReadAllTextAsync(ports)).Trim()}", $"grpc+unix:{socket}"];
        return daemon;
    }

    public ProcessSample Sample()
    {
        Dictionary<string, long> status = [];
        foreach (string line in File.ReadLines($"/proc/{_process.Id}/status"))
        {
            string[] words = line.Split([':', '\t', ' '], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && long.TryParse(words[1], CultureInfo.InvariantCulture, out long value))
            {
                status[words[0]] = value;
            }
        }

        int sockets = 0;
        int store = 0;
        int others = 0;
        foreach (string link in Directory.EnumerateFileSystemEntries($"/proc/{_process.Id}/fd"))
        {
            string? target = new FileInfo(link).LinkTarget; // null when it was closed meanwhile
            switch (target)
            {
                case null:
                case { } assembly when assembly.EndsWith(".dll", StringComparison.Ordinal): // loaded when it is needed
                    break;
                case { } socket when socket.StartsWith("socket:", StringComparison.Ordinal):
                    sockets++;
                    break;
                case { } file when file.StartsWith(_store, StringComparison.Ordinal):
                    store++;
                    break;
                default:
                    others++;
                    break;
            }
        }

        return new ProcessSample(status["VmRSS"] * 1024, status["RssAnon"] * 1024, status["VmHWM"] * 1024, sockets, store, others, (int)status["Threads"]);
    }

    /// <summary>What the system tells of its sockets, a line each, as in <c>/proc/net</c>; for TCP also of the other end, when that is on this machine.</summary>
    public IReadOnlyList<string> DescribeSockets()
    {
        HashSet<string> inodes = [];
        foreach (string link in Directory.EnumerateFileSystemEntries($"/proc/{_process.Id}/fd"))
        {
            if (new FileInfo(link).LinkTarget is { } target && target.StartsWith("socket:[", StringComparison.Ordinal))
            {
                inodes.Add(target["socket:[".Length..^1]);
            }
        }

        List<string> lines = [];
        foreach (string table in (string[])["tcp", "tcp6", "unix"])
        {
            string path = $"/proc/{_process.Id}/net/{table}";
            if (!File.Exists(path))
            {
                continue; // no IPv6
            }

            string[][] rows = [.. File.ReadLines(path).Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
            string[][] own = [.. rows.Where(row => row.Any(inodes.Contains))];
            string[][] others = table == "unix" ? [] : [.. rows.Where(row => own.Any(mine => mine[1] == row[2] && mine[2] == row[1]))];
            lines.AddRange(own.Select(row => $"{table}: {string.Join(' ', row)}"));
            lines.AddRange(others.Select(row => $"{table}, the other end: {string.Join(' ', row)}"));
        }

        return lines;
    }

    /// <summary>Has it end with SIGTERM.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> StopAsync()
    {
        using Process kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        await _process.WaitForExitAsync();
        await _reading;
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private async Task ReadLogAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            lock (_log)
            {
                _log.Add(line);
            }
        }
    }
}

/// <summary>What a process takes, in bytes and numbers.</summary>
/// <param name="Resident">Memory.</param>
/// <param name="Anonymous">The part of it that are no pages of files.</param>
/// <param name="Peak">The most that <paramref name="Resident"/> has ever been.</param>
/// <param name="Sockets">Handles of sockets, listening ones too.</param>
/// <param name="StoreFiles">Handles of files of the store.</param>
/// <param name="Others">All other handles, but for those of loaded code.</param>
/// <param name="Threads">Threads.</param>
internal sealed record ProcessSample(long Resident, long Anonymous, long Peak, int Sockets, int StoreFiles, int Others, int Threads)
{
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"RSS {Resident >> 20} MB, {Anonymous >> 20} MB without files (peak {Peak >> 20} MB), {Sockets} sockets, {StoreFiles} files of the store, {Others} other handles, {Threads} threads");
}
