using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Tvix.Castore;

namespace Tvix.Tests.Shared;

/// <summary>Notes what is measured of the service of one name.</summary>
internal sealed class TelemetryListener : IDisposable
{
    private readonly MeterListener _meters = new();
    private readonly ActivityListener _activities;
    private readonly ConcurrentQueue<string> _operations = new();
    private readonly ConcurrentQueue<Activity> _stopped = new();
    private readonly ConcurrentDictionary<string, long> _sums = new();
    private readonly ConcurrentBag<string> _tags = [];

    public TelemetryListener(string name)
    {
        _meters.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name == CastoreTelemetry.Name)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _meters.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            Dictionary<string, object?> byName = tags.ToArray().ToDictionary();
            if (byName["tvix.service.name"] is string service && service == name)
            {
                _operations.Enqueue($"{byName["tvix.service.kind"]} {byName["tvix.operation"]} {byName["tvix.outcome"]}");
                Note(tags);
            }
        });
        _meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            Dictionary<string, object?> byName = tags.ToArray().ToDictionary();
            if (byName.GetValueOrDefault("tvix.service.name") is string service && service == name)
            {
                string key = byName.TryGetValue("tvix.cache.result", out object? result) ? $"{instrument.Name} {result}" : instrument.Name;
                _sums.AddOrUpdate(key, value, (_, sum) => sum + value);
                Note(tags);
            }
        });
        _meters.Start();

        _activities = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == CastoreTelemetry.Name,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                if (activity.GetTagItem("tvix.service.name") is string service && service == name)
                {
                    _stopped.Enqueue(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(_activities);
    }

    /// <summary>The kinds, names and outcomes of the operations, in order.</summary>
    public string[] Operations => [.. _operations];

    /// <summary>The same as the activities tell it.</summary>
    public string[] Activities => [.. _stopped.Select(activity => $"{activity.OperationName} {activity.GetTagItem("tvix.outcome")}")];

    /// <summary>The digests that activities tell.</summary>
    public string?[] Digests => [.. _stopped.Select(activity => activity.GetTagItem("tvix.digest") as string)];

    /// <summary>The names of all tags of metrics.</summary>
    public IEnumerable<string> TagNames => _tags.Distinct();

    /// <summary>The sum of a counter, by its name and, for caches, the result.</summary>
    public long Sum(string counter) => _sums.GetValueOrDefault(counter);

    public void Dispose()
    {
        _meters.Dispose();
        _activities.Dispose();
    }

    private void Note(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach ((string tag, _) in tags)
        {
            _tags.Add(tag);
        }
    }
}
