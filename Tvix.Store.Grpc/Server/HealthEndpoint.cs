using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Health.V1;
using static Tvix.Store.Grpc.Protos.Health.V1.HealthCheckResponse.Types;

namespace Tvix.Store.Grpc.Server;

/// <summary>Serves <c>grpc.health.v1.Health</c>. Source: grpc.io, "Health Checking".</summary>
internal sealed class HealthEndpoint(StoreHealth health, TvixStoreGrpcOptions options, CancellationToken stopping)
{
    private static readonly ProtobufMarshaller<HealthCheckRequest> _request = new(HealthCheckRequest.Parser);
    private static readonly ProtobufMarshaller<HealthCheckResponse> _response = new(HealthCheckResponse.Parser);

    public GrpcServiceDefinition Define() => new GrpcServiceDefinition(HealthReflection.Descriptor.Services[0])
        .AddUnary("Check", _request, _response, CheckAsync)
        .AddServerStreaming("Watch", _request, _response, WatchAsync);

    private async ValueTask<HealthCheckResponse> CheckAsync(HealthCheckRequest request, IGrpcServerContext context) => health.Knows(request.Service)
        ? new HealthCheckResponse { Status = await GetStatusAsync(request.Service, context.CancellationToken).ConfigureAwait(false) }
        : throw new GrpcException(GrpcStatusCode.NotFound, $"There is no service '{request.Service}'.");

    private async Task WatchAsync(HealthCheckRequest request, IGrpcResponseWriter<HealthCheckResponse> responses, IGrpcServerContext context)
    {
        CancellationToken cancellationToken = context.CancellationToken;
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stopping);
        ServingStatus? last = null;
        while (true)
        {
            ServingStatus status = health.Knows(request.Service) ? await GetStatusAsync(request.Service, cancellationToken).ConfigureAwait(false) : ServingStatus.ServiceUnknown;
            if (status != last)
            {
                last = status;
                await responses.WriteAsync(new HealthCheckResponse { Status = status }, cancellationToken).ConfigureAwait(false);
            }

            if (stopping.IsCancellationRequested)
            {
                return; // a stream that stays open would keep the server from stopping
            }

            await Task.Delay(options.HealthInterval, options.TimeProvider, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private async ValueTask<ServingStatus> GetStatusAsync(string service, CancellationToken cancellationToken) =>
        !stopping.IsCancellationRequested && await health.IsServingAsync(service, cancellationToken).ConfigureAwait(false) ? ServingStatus.Serving : ServingStatus.NotServing;
}
