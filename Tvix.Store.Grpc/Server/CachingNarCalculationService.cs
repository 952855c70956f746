using Tvix.Castore.Model;
using Tvix.Store.Nar;

namespace Tvix.Store.Grpc.Server;

/// <summary>
/// Remembers results, of which the least recently used are forgotten, and calculates each once even when many ask for it at the same time. A result never changes, so none is ever
/// wrong; failures are not remembered.
/// </summary>
/// <param name="inner">Calculates.</param>
/// <param name="capacity">How many results are kept.</param>
/// <param name="maxConcurrent">How many calculations go on at a time.</param>
internal sealed class CachingNarCalculationService(INarCalculationService inner, int capacity, int maxConcurrent) : INarCalculationService
{
    private readonly Lock _lock = new();

    // Two nodes without a name are equal exactly when their canonical encodings are.
    private readonly Dictionary<Node, LinkedListNode<(Node Root, NarDigest Nar)>> _results = [];
    private readonly LinkedList<(Node Root, NarDigest Nar)> _byUse = []; // the most recent first
    private readonly Dictionary<Node, Flight> _flights = [];
    private readonly SemaphoreSlim _slots = new(maxConcurrent);

    public ValueTask<NarDigest> CalculateAsync(Node root, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        cancellationToken.ThrowIfCancellationRequested();
        Flight? flight;
        lock (_lock)
        {
            if (_results.TryGetValue(root, out LinkedListNode<(Node Root, NarDigest Nar)>? known))
            {
                _byUse.Remove(known);
                _byUse.AddFirst(known);
                return new ValueTask<NarDigest>(known.Value.Nar);
            }

            if (!_flights.TryGetValue(root, out flight))
            {
                flight = new Flight();
                _flights.Add(root, flight);
                flight.Result = Task.Run(() => RunAsync(root, flight), CancellationToken.None);
            }

            flight.Waiting++;
        }

        return AwaitAsync(root, flight, cancellationToken);
    }

    private async ValueTask<NarDigest> AwaitAsync(Node root, Flight flight, CancellationToken cancellationToken)
    {
        try
        {
            return await flight.Result.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            bool isLast;
            lock (_lock)
            {
                isLast = --flight.Waiting == 0;
                if (isLast)
                {
                    // Whoever asks from now on begins anew.
                    End(root, flight);
                }
            }

            if (isLast)
            {
                await flight.Stop.CancelAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task<NarDigest> RunAsync(Node root, Flight flight)
    {
        try
        {
            await _slots.WaitAsync(flight.Stop.Token).ConfigureAwait(false);
            NarDigest nar;
            try
            {
                nar = await inner.CalculateAsync(root, flight.Stop.Token).ConfigureAwait(false);
            }
            finally
            {
                _slots.Release();
            }

            Remember(root, nar);
            return nar;
        }
        finally
        {
            lock (_lock)
            {
                End(root, flight);
            }
        }
    }

    private void Remember(Node root, NarDigest nar)
    {
        lock (_lock)
        {
            if (_results.ContainsKey(root))
            {
                return;
            }

            if (_byUse.Count == capacity)
            {
                _results.Remove(_byUse.Last!.Value.Root);
                _byUse.RemoveLast();
            }

            _results.Add(root, _byUse.AddFirst((root, nar)));
        }
    }

    private void End(Node root, Flight flight)
    {
        if (_flights.TryGetValue(root, out Flight? current) && current == flight)
        {
            _flights.Remove(root);
        }
    }

    /// <summary>A calculation that goes on, until it is done or nobody waits for it any more.</summary>
    private sealed class Flight
    {
        public CancellationTokenSource Stop { get; } = new();

        public Task<NarDigest> Result { get; set; } = Task.FromResult<NarDigest>(default);

        public int Waiting { get; set; }
    }
}
