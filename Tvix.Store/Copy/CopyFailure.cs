using System.Runtime.ExceptionServices;

namespace Tvix.Store.Copy;

/// <summary>Remembers the first failure of tasks that work together, and stops the others.</summary>
internal sealed class CopyFailure(CancellationTokenSource stop)
{
    private ExceptionDispatchInfo? _first;

    /// <summary>Waits for work; when it fails, so does all the other.</summary>
    public async Task GuardAsync(Task work)
    {
        try
        {
            await work.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // What fails later mostly does because it was stopped.
            Interlocked.CompareExchange(ref _first, ExceptionDispatchInfo.Capture(e), null);
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Throws the first failure, if there is one.</summary>
    public void Throw() => _first?.Throw();
}
