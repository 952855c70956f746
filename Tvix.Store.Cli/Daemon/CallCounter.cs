using Microsoft.AspNetCore.Http;

namespace Tvix.Store.Cli.Daemon;

/// <summary>Knows how many calls are under way.</summary>
internal sealed class CallCounter
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _none;
    private long _changes;

    public int Active { get; private set; }

    /// <summary>How many calls have begun and ended, together.</summary>
    public long Changes => Interlocked.Read(ref _changes);

    /// <summary>Counts a call.</summary>
    public async Task CountAsync(HttpContext http, RequestDelegate next)
    {
        lock (_gate)
        {
            Active++;
            _changes++;
        }

        try
        {
            await next(http);
        }
        finally
        {
            lock (_gate)
            {
                _changes++;
                if (--Active == 0)
                {
                    _none?.TrySetResult();
                }
            }
        }
    }

    /// <summary>Waits until no call is under way. No more may begin.</summary>
    public Task WhenNoneAsync()
    {
        lock (_gate)
        {
            _none ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (Active == 0)
            {
                _none.TrySetResult();
            }

            return _none.Task;
        }
    }
}
