using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tvix.Store.Grpc.Protocol;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Serves gRPC from endpoints of ASP.NET Core.</summary>
public static class GrpcEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Serves the methods of services. Calls to a method or a service that nobody serves end with UNIMPLEMENTED.
    /// </summary>
    /// <param name="endpoints">Where to.</param>
    /// <param name="services">The services; all of the methods of each must be served.</param>
    /// <param name="options">Limits and the like; <see langword="null"/> for the defaults.</param>
    /// <returns>For metadata and conventions on all endpoints; each has a <see cref="GrpcMethodMetadata"/>.</returns>
    /// <exception cref="ArgumentException">A method has nothing that serves it.</exception>
    public static IEndpointConventionBuilder MapGrpc(this IEndpointRouteBuilder endpoints, IEnumerable<GrpcServiceDefinition> services, GrpcServerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(services);
        options ??= new GrpcServerOptions();
        RouteGroupBuilder group = endpoints.MapGroup("");
        foreach (GrpcServiceDefinition service in services)
        {
            if (service.Descriptor.Methods.FirstOrDefault(method => !service.Methods.Any(served => served.Descriptor == method)) is { } missing)
            {
                throw new ArgumentException($"Nothing serves the method {missing.FullName}.", nameof(services));
            }

            foreach (GrpcServerMethod method in service.Methods)
            {
                group.MapPost(method.Path, (RequestDelegate)(http => method.ServeAsync(http, options)))
                    .WithDisplayName($"gRPC {method.Path}")
                    .WithMetadata(new GrpcMethodMetadata(method.Descriptor, method.IsReadOnly));
            }

            group.MapPost($"/{service.Descriptor.FullName}/{{method}}", (RequestDelegate)Unimplemented)
                .WithDisplayName($"gRPC {service.Descriptor.FullName}, no such method")
                .WithMetadata(GrpcNotServed.Instance);
        }

        MapUnknownServices(endpoints);
        return group;
    }

    private static async Task Unimplemented(HttpContext http)
    {
        if (GrpcHttp.Accept(http))
        {
            await GrpcHttp.EndAsync(http, GrpcStatusCode.Unimplemented, $"There is no method {http.Request.Path} here.").ConfigureAwait(false);
        }
    }

    /// <summary>Once for all services, and for requests of gRPC only: others are none of its business.</summary>
    private static void MapUnknownServices(IEndpointRouteBuilder endpoints)
    {
        if (endpoints.DataSources.SelectMany(source => source.Endpoints).Any(endpoint => endpoint.Metadata.GetMetadata<UnknownServices>() is not null))
        {
            return;
        }

        endpoints.MapPost("/{service}/{method}", (RequestDelegate)UnknownService)
            .WithDisplayName("gRPC, no such service")
            .WithMetadata(GrpcNotServed.Instance, new UnknownServices())
            .WithOrder(int.MaxValue);
    }

    private static Task UnknownService(HttpContext http)
    {
        if (GrpcHttp.IsGrpc(http.Request.ContentType))
        {
            return Unimplemented(http);
        }

        http.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    private sealed class UnknownServices;
}
