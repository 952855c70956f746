using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Tvix.Castore.Telemetry;

/// <summary>Measures the calls of one named service.</summary>
/// <param name="kind">Which interface: <c>blob</c>, <c>directory</c> or <c>path_info</c>.</param>
/// <param name="name">The name of the service.</param>
internal sealed class ServiceMeter(string kind, string name)
{
    /// <summary>Whether anybody listens to what calls take. When nobody does, callers call the service itself.</summary>
    public static bool IsEnabled => Instruments.Duration.Enabled || Instruments.Activities.HasListeners();

    /// <summary>Counts bytes that were read.</summary>
    public void CountRead(long bytes) => Instruments.BytesRead.Add(bytes, new KeyValuePair<string, object?>(Instruments.NameTag, name));

    /// <summary>Counts bytes that were stored.</summary>
    public void CountWritten(long bytes) => Instruments.BytesWritten.Add(bytes, new KeyValuePair<string, object?>(Instruments.NameTag, name));

    /// <summary>Makes a call and measures it.</summary>
    /// <param name="operation">The name of the operation.</param>
    /// <param name="digest">What it is about, for spans; <see langword="null"/> when that is not known.</param>
    /// <param name="state">What <paramref name="call"/> needs.</param>
    /// <param name="call">The call.</param>
    /// <param name="isThere">Whether a result is not that of something absent.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async ValueTask<TResult> MeasureAsync<TState, TResult>(
        string operation,
        object? digest,
        TState state,
        Func<TState, CancellationToken, ValueTask<TResult>> call,
        Func<TResult, bool> isThere,
        CancellationToken cancellationToken)
    {
        using Activity? activity = Start(operation, digest);
        long started = Stopwatch.GetTimestamp();
        try
        {
            TResult result = await call(state, cancellationToken).ConfigureAwait(false);
            End(activity, operation, started, isThere(result) ? "ok" : "absent");
            return result;
        }
        catch (Exception e)
        {
            Fail(activity, operation, started, e);
            throw;
        }
    }

    /// <summary>Measures a sequence from the first item that is asked for to the end of the reading.</summary>
    public async IAsyncEnumerable<T> MeasureAsync<T>(
        string operation, object? digest, IAsyncEnumerable<T> items, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using Activity? activity = Start(operation, digest);
        long started = Stopwatch.GetTimestamp();
        bool isThere = digest is null; // a list of nothing is a list, a closure of nothing is none
        bool failed = false;
        IAsyncEnumerator<T> enumerator = items.GetAsyncEnumerator(cancellationToken);
        try
        {
            while (true)
            {
                try
                {
                    if (!await enumerator.MoveNextAsync().ConfigureAwait(false))
                    {
                        break;
                    }
                }
                catch (Exception e)
                {
                    failed = true;
                    Fail(activity, operation, started, e);
                    throw;
                }

                isThere = true;
                yield return enumerator.Current;
            }
        }
        finally
        {
            await enumerator.DisposeAsync().ConfigureAwait(false);
            if (!failed)
            {
                End(activity, operation, started, isThere ? "ok" : "absent");
            }
        }
    }

    private Activity? Start(string operation, object? digest)
    {
        if (!Instruments.Activities.HasListeners())
        {
            return null;
        }

        Activity? activity = Instruments.Activities.StartActivity($"{kind} {operation}");
        if (activity is not null && digest is not null)
        {
            activity.SetTag(Instruments.DigestTag, digest.ToString());
        }

        return activity;
    }

    private void Fail(Activity? activity, string operation, long started, Exception exception)
    {
        bool isCancelled = exception is OperationCanceledException;
        if (!isCancelled)
        {
            activity?.SetStatus(ActivityStatusCode.Error, exception.Message);
        }

        End(activity, operation, started, isCancelled ? "cancelled" : "error");
    }

    private void End(Activity? activity, string operation, long started, string outcome)
    {
        Instruments.Duration.Record(
            Stopwatch.GetElapsedTime(started).TotalSeconds,
            new TagList
            {
                { Instruments.KindTag, kind },
                { Instruments.NameTag, name },
                { Instruments.OperationTag, operation },
                { Instruments.OutcomeTag, outcome },
            });
        if (activity is not null)
        {
            activity.SetTag(Instruments.KindTag, kind);
            activity.SetTag(Instruments.NameTag, name);
            activity.SetTag(Instruments.OperationTag, operation);
            activity.SetTag(Instruments.OutcomeTag, outcome);
        }
    }
}
