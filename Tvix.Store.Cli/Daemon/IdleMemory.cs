namespace Tvix.Store.Cli.Daemon;

/// <summary>
/// Gives memory back once nobody has called for a while. The runtime collects garbage only when something allocates, so a daemon that fell idle would keep what its busiest moment took.
/// </summary>
internal static class IdleMemory
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(5);

    /// <summary>Goes on until it is cancelled.</summary>
    public static async Task ReleaseAsync(CallCounter calls, CancellationToken stop)
    {
        using PeriodicTimer timer = new(s_interval);
        long before = 0;
        long released = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                // Calls that neither began nor ended meanwhile, such as those who watch the daemon's health, do not keep it from being idle.
                long changes = calls.Changes;
                if (changes == before && changes != released)
                {
                    GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                    released = changes;
                }

                before = changes;
            }
        }
        catch (OperationCanceledException)
        {
            // That is how it ends.
        }
    }
}
