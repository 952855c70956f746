namespace Tvix.Castore.Export;

/// <summary>What an export has made so far, counted by several, and reported by one at a time.</summary>
internal sealed class ExportCounters(IProgress<ExportProgress>? progress)
{
    private const int ReportEveryMilliseconds = 50;

    private readonly Lock _gate = new();
    private long _lastReport = Environment.TickCount64 - ReportEveryMilliseconds; // so that the first thing made is reported
    private long _files;
    private long _directories;
    private long _symlinks;
    private long _writtenBytes;
    private long _linkedFiles;
    private long _linkedBytes;

    public void AddDirectory()
    {
        Interlocked.Increment(ref _directories);
        Report();
    }

    public void AddSymlink()
    {
        Interlocked.Increment(ref _symlinks);
        Report();
    }

    public void AddWritten(long files, long bytes)
    {
        Interlocked.Add(ref _files, files);
        Interlocked.Add(ref _writtenBytes, bytes);
        Report();
    }

    public void AddLinked(long files, long bytes)
    {
        Interlocked.Add(ref _files, files);
        Interlocked.Add(ref _linkedFiles, files);
        Interlocked.Add(ref _linkedBytes, bytes);
        Report();
    }

    public void ReportEnd() => progress?.Report(GetProgress());

    public ExportResult GetResult(string? linkFailure) => new()
    {
        Files = _files,
        Directories = _directories,
        Symlinks = _symlinks,
        WrittenBytes = _writtenBytes,
        LinkedFiles = _linkedFiles,
        LinkedBytes = _linkedBytes,
        LinkFailure = linkFailure,
    };

    private void Report()
    {
        if (progress is null || !IsDue())
        {
            return;
        }

        lock (_gate)
        {
            if (IsDue())
            {
                Volatile.Write(ref _lastReport, Environment.TickCount64);
                progress.Report(GetProgress());
            }
        }
    }

    private bool IsDue() => Environment.TickCount64 - Volatile.Read(ref _lastReport) >= ReportEveryMilliseconds;

    private ExportProgress GetProgress() => new(
        Volatile.Read(ref _files),
        Volatile.Read(ref _directories),
        Volatile.Read(ref _symlinks),
        Volatile.Read(ref _writtenBytes) + Volatile.Read(ref _linkedBytes));
}
