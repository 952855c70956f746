using System.Diagnostics.Metrics;

namespace Tvix.Store.Grpc.Server;

/// <summary>How what servers measure is found.</summary>
public static class GrpcTelemetry
{
    /// <summary>The name of the meter. Its instruments are listed at <see cref="Microsoft.AspNetCore.Builder.GrpcServerApplicationBuilderExtensions.UseGrpcTelemetry"/>.</summary>
    public const string MeterName = "Tvix.Store.Grpc";

    private static readonly Meter s_meter = new(MeterName);

    internal static Counter<long> Calls { get; } =
        s_meter.CreateCounter<long>("tvix.store.grpc.server.calls", "{call}", "Calls that ended.");

    internal static UpDownCounter<long> ActiveCalls { get; } =
        s_meter.CreateUpDownCounter<long>("tvix.store.grpc.server.active_calls", "{call}", "Calls that are under way.");

    internal static Histogram<double> Duration { get; } =
        s_meter.CreateHistogram<double>("rpc.server.duration", "ms", "How long calls took.");
}
