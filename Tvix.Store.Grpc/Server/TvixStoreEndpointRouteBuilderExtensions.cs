using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Store;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.Nar;
using Tvix.Store.PathInfos;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Serves stores over gRPC.</summary>
public static class TvixStoreEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Serves the blob, directory and path info services of the container as <c>tvix.castore.v1</c> and <c>tvix.store.v1</c>, and the same as <c>snix.castore.v1</c> and
    /// <c>snix.store.v1</c>; besides <c>grpc.health.v1.Health</c> and, unless switched off, <c>grpc.reflection.v1</c> and <c>v1alpha</c>.
    /// </summary>
    /// <param name="endpoints">Where to. The server must speak HTTP/2.</param>
    /// <param name="options">Limits and the like; <see langword="null"/> for the defaults.</param>
    /// <param name="name">The name under which the services are in the container; that of the plain services unless given.</param>
    /// <returns>For metadata and conventions on all endpoints; each has a <see cref="GrpcMethodMetadata"/>.</returns>
    /// <exception cref="InvalidOperationException">The container does not have the services.</exception>
    /// <exception cref="ArgumentOutOfRangeException">One of <paramref name="options"/> is out of range.</exception>
    public static IEndpointConventionBuilder MapTvixStore(this IEndpointRouteBuilder endpoints, TvixStoreGrpcOptions? options = null, string name = TvixStoreBuilder.RootName)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(name);
        return Map(
            endpoints,
            Find<IBlobService>(endpoints, name) ?? throw Missing<IBlobService>(name),
            Find<IDirectoryService>(endpoints, name) ?? throw Missing<IDirectoryService>(name),
            Find<IPathInfoService>(endpoints, name) ?? throw Missing<IPathInfoService>(name),
            Find<INarCalculationService>(endpoints, name),
            options);
    }

    /// <summary>Serves a store; see <see cref="MapTvixStore(IEndpointRouteBuilder, TvixStoreGrpcOptions?, string)"/>.</summary>
    /// <param name="endpoints">Where to. The server must speak HTTP/2.</param>
    /// <param name="store">The store, which stays the caller's.</param>
    /// <param name="options">Limits and the like; <see langword="null"/> for the defaults.</param>
    /// <returns>For metadata and conventions on all endpoints; each has a <see cref="GrpcMethodMetadata"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">One of <paramref name="options"/> is out of range.</exception>
    public static IEndpointConventionBuilder MapTvixStore(this IEndpointRouteBuilder endpoints, TvixStore store, TvixStoreGrpcOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(store);
        return Map(endpoints, store.Blobs, store.Directories, store.PathInfos, null, options);
    }

    /// <summary>What has the name of the root is also the plain service, and someone may have registered only that.</summary>
    private static T? Find<T>(IEndpointRouteBuilder endpoints, string name)
        where T : class => name == TvixStoreBuilder.RootName ? endpoints.ServiceProvider.GetService<T>() : endpoints.ServiceProvider.GetKeyedService<T>(name);

    private static InvalidOperationException Missing<T>(string name) => new($"There is no {typeof(T).Name} named '{name}' in the container.");

    /// <param name="offered">Finds out the size and hash of NARs where the contents are; <see langword="null"/> when nobody is known to.</param>
    private static IEndpointConventionBuilder Map(
        IEndpointRouteBuilder endpoints,
        IBlobService blobs,
        IDirectoryService directories,
        IPathInfoService pathInfos,
        INarCalculationService? offered,
        TvixStoreGrpcOptions? options)
    {
        options ??= new TvixStoreGrpcOptions();
        options.Validate();
        ILogger logger = endpoints.ServiceProvider.GetService<ILoggerFactory>()?.CreateLogger("Tvix.Store.Grpc.Server") ?? NullLogger.Instance;
        CancellationToken stopping = endpoints.ServiceProvider.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? CancellationToken.None;

        CachingNarCalculationService narCalculation = new(
            options.NarCalculation ?? offered ?? ServiceCapabilities.Find<INarCalculationService>(pathInfos) ?? new StoreNarCalculationService(blobs, directories),
            options.NarCacheCapacity,
            options.MaxConcurrentNarCalculations);
        BlobServiceEndpoint blobEndpoint = new(blobs, options, logger);
        DirectoryServiceEndpoint directoryEndpoint = new(directories, options, logger);
        PathInfoServiceEndpoint pathInfoEndpoint = new(pathInfos, narCalculation, options, logger);
        List<GrpcServiceDefinition> services = [];
        foreach (StoreMethods methods in (ReadOnlySpan<StoreMethods>)[StoreMethods.Tvix, StoreMethods.Snix])
        {
            services.Add(blobEndpoint.Define(methods));
            services.Add(directoryEndpoint.Define(methods));
            services.Add(pathInfoEndpoint.Define(methods));
        }

        services.Add(new HealthEndpoint(new StoreHealth(blobs, directories, pathInfos, options, logger), options, stopping).Define());
        if (options.Reflection)
        {
            services.AddRange(ReflectionEndpoint.Define([.. services.Select(service => service.Descriptor)]));
        }

        return endpoints.MapGrpc(services, options.ToServerOptions());
    }
}
