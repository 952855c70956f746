using Microsoft.AspNetCore.Http;

namespace Tvix.Store.Cli.Daemon;

/// <summary>Knows how many calls are under way.</summary>
internal sealed class CallCounter
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _none;

    public int Active { get; private set; }

    /// <summary>Counts a call.</summary>
    public async Task CountAsync(HttpContext http, RequestDelegate next)
    {
        lock (_gate)
        {
            Active++;
        }

        try
        {
            await next(http);
        }
        finally
        {
            lock (_gate)
            {
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
