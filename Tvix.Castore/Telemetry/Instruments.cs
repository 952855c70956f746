using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Tvix.Castore.Telemetry;

/// <summary>The instruments that <see cref="CastoreTelemetry"/> documents.</summary>
internal static class Instruments
{
    public const string KindTag = "tvix.service.kind";
    public const string NameTag = "tvix.service.name";
    public const string OperationTag = "tvix.operation";
    public const string OutcomeTag = "tvix.outcome";
    public const string ResultTag = "tvix.cache.result";
    public const string DigestTag = "tvix.digest";

    private static readonly Meter s_meter = new(CastoreTelemetry.Name);

    public static ActivitySource Activities { get; } = new(CastoreTelemetry.Name);

    public static Histogram<double> Duration { get; } =
        s_meter.CreateHistogram<double>("tvix.castore.operation.duration", "s", "How long calls of services took.");

    public static Counter<long> BytesRead { get; } =
        s_meter.CreateCounter<long>("tvix.castore.blob.read", "By", "Bytes that readers of blobs got.");

    public static Counter<long> BytesWritten { get; } =
        s_meter.CreateCounter<long>("tvix.castore.blob.written", "By", "Bytes of blobs that were stored.");

    public static Counter<long> CacheLookups { get; } =
        s_meter.CreateCounter<long>("tvix.castore.cache.lookups", "{lookup}", "Reads of caching services, by whether the near one had it.");
}
