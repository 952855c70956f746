using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Tvix.Castore;
using Tvix.Store.Grpc.Server;

namespace Tvix.Store.Cli.Daemon;

/// <summary>Exports traces and metrics with OpenTelemetry's protocol.</summary>
internal sealed class DaemonTelemetry : IDisposable
{
    private const string ServiceName = "tvix-store";

    private static readonly string[] s_sources = [CastoreTelemetry.Name, "Microsoft.AspNetCore", "System.Net.Http"];

    private static readonly string[] s_meters =
    [
        GrpcTelemetry.MeterName, CastoreTelemetry.Name, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Net.Http", "System.Runtime",
    ];

    private readonly TracerProvider _traces;
    private readonly MeterProvider _metrics;

    private DaemonTelemetry(TracerProvider traces, MeterProvider metrics)
    {
        _traces = traces;
        _metrics = metrics;
    }

    /// <param name="endPoint">Where the collector is; <see langword="null"/> for what the standard variables (<c>OTEL_EXPORTER_OTLP_…</c>) or the defaults say.</param>
    public static DaemonTelemetry Start(Uri? endPoint)
    {
        ResourceBuilder resource = ResourceBuilder.CreateDefault().AddService(ServiceName, serviceVersion: ToolVersion.Text).AddEnvironmentVariableDetector();
        return new DaemonTelemetry(
            Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(s_sources).AddOtlpExporter(Configure).Build(),
            Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(s_meters).AddOtlpExporter(Configure).Build());

        void Configure(OtlpExporterOptions options)
        {
            if (endPoint is not null)
            {
                options.Endpoint = endPoint;
            }
        }
    }

    /// <summary>Sends what was not sent yet.</summary>
    public void Dispose()
    {
        _traces.Dispose();
        _metrics.Dispose();
    }
}
