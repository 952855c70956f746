namespace Tvix.Castore;

/// <summary>Does a piece of work once for all who want its result at the same time. Nothing is remembered beyond that, success as little as
/// failure.</summary>
/// <remarks>
/// Who stops waiting does not stop the others; when nobody is left, the work is cancelled, and the next to ask begins anew. An exception
/// goes to all who wait.
/// </remarks>
/// <typeparam name="TKey">What tells pieces of work apart.</typeparam>
/// <typeparam name="TResult">The result, which all who wait share.</typeparam>
internal sealed class SingleFlight<TKey, TResult>
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, Flight> _flights = [];

    /// <summary>Waits for the work under way for a key, or does it.</summary>
    /// <param name="key">The key.</param>
    /// <param name="work">The work; its token is cancelled when nobody waits for it any more.</param>
    /// <param name="cancellationToken">Ends this caller's waiting.</param>
    public async Task<TResult> RunAsync(TKey key, Func<CancellationToken, Task<TResult>> work, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Flight? flight;
        bool isMine = false;
        lock (_gate)
        {
            if (!_flights.TryGetValue(key, out flight))
            {
                isMine = true;
                _flights.Add(key, flight = new Flight());
            }

            flight.Waiters++;
        }

        if (isMine)
        {
            _ = FlyAsync(key, flight, work);
        }

        try
        {
            return await flight.Result.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Leave(key, flight);
        }
    }

    private async Task FlyAsync(TKey key, Flight flight, Func<CancellationToken, Task<TResult>> work)
    {
        try
        {
            TResult result = await work(flight.Cancellation.Token).ConfigureAwait(false);
            Land(key, flight);
            flight.Result.SetResult(result);
        }
        catch (Exception e)
        {
            // The exception is that of everybody who waits; when nobody does, it concerns nobody.
            Land(key, flight);
            flight.Result.SetException(e);
            _ = flight.Result.Task.Exception;
        }
    }

    private void Land(TKey key, Flight flight)
    {
        lock (_gate)
        {
            Forget(key, flight);
        }
    }

    private void Leave(TKey key, Flight flight)
    {
        lock (_gate)
        {
            if (--flight.Waiters > 0 || flight.Result.Task.IsCompleted)
            {
                return;
            }

            Forget(key, flight);
        }

        flight.Cancellation.Cancel();
    }

    private void Forget(TKey key, Flight flight)
    {
        if (_flights.TryGetValue(key, out Flight? known) && known == flight)
        {
            _flights.Remove(key);
        }
    }

    private sealed class Flight
    {
        public TaskCompletionSource<TResult> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        // Not disposed: it has neither a timer nor a wait handle, and whoever leaves last may cancel it at any time.
        public CancellationTokenSource Cancellation { get; } = new();

        public int Waiters { get; set; }
    }
}
