namespace Tvix.Store.Copy;

/// <summary>Counts what a copy does, from any thread, and tells of it in order.</summary>
internal sealed class CopyCounters(IProgress<CopyProgress>? progress)
{
    private readonly Lock _gate = new();

    public long PathsTotal { get; set; }

    public long PathsDone { get; private set; }

    public long Directories { get; private set; }

    public long Blobs { get; private set; }

    public long BytesCopied { get; private set; }

    public long BytesSaved { get; private set; }

    public void AddPath(ulong saved, ulong copied) => Add(paths: 1, saved: Clamp(saved), copied: Clamp(copied));

    public void AddDirectories(long count) => Add(directories: count);

    public void AddBlobs(long count, long bytes) => Add(blobs: count, copied: bytes);

    public void AddBytes(long copied, long saved) => Add(copied: copied, saved: saved);

    public void AddSaved(ulong bytes) => Add(saved: Clamp(bytes));

    // Sizes are what somebody has recorded, and need not make sense.
    private static long Clamp(ulong bytes) => (long)Math.Min(bytes, long.MaxValue);

    private void Add(long paths = 0, long directories = 0, long blobs = 0, long copied = 0, long saved = 0)
    {
        lock (_gate)
        {
            PathsDone += paths;
            Directories += directories;
            Blobs += blobs;
            BytesCopied += Math.Min(copied, long.MaxValue - BytesCopied);
            BytesSaved += Math.Min(saved, long.MaxValue - BytesSaved);
            progress?.Report(new CopyProgress(PathsDone, PathsTotal, Blobs, BytesCopied, BytesSaved));
        }
    }
}
