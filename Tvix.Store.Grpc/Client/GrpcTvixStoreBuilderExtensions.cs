using Microsoft.Extensions.DependencyInjection.Extensions;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Store.Composition;
using Tvix.Store.Grpc.Client;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Nar;
using Tvix.Store.PathInfos;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>The services of servers, for the builder.</summary>
/// <remarks>
/// Services with the same address, and the same settings of the channel, share one channel. It connects when the first call is made;
/// <c>wait-connect</c> has no effect.
/// </remarks>
public static class GrpcTvixStoreBuilderExtensions
{
    /// <summary>
    /// Makes servers known to the builder: the addresses of <see cref="GrpcStoreAddress"/>, and for the configuration the type <c>grpc</c>
    /// of services and stores, with such an address as <c>Url</c>. Called before addresses or configuration are added.
    /// </summary>
    public static TvixStoreBuilder UseGrpc(this TvixStoreBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder
            .UseAddressResolver(builder.GetAddressResolver().WithGrpc())
            .AddServiceType<IBlobService>(
                "grpc", static (builder, section) => builder.AddGrpcBlobService(section.Name, options => options.Address = section.Get("Url")))
            .AddServiceType<IDirectoryService>(
                "grpc", static (builder, section) => builder.AddGrpcDirectoryService(section.Name, options => options.Address = section.Get("Url")))
            .AddServiceType<IPathInfoService>(
                "grpc", static (builder, section) => builder.AddGrpcPathInfoService(section.Name, options => options.Address = section.Get("Url")))
            .AddServiceType<Tvix.Store.TvixStore>("grpc", static (builder, section) => builder.AddGrpcStore(section.Get("Url"), section.Name));
    }

    /// <summary>Adds the blobs of a server.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="configure">Sets the address, and what else is to be set. Called at once.</param>
    /// <exception cref="FormatException">The address is not that of a server.</exception>
    /// <exception cref="ArgumentException">The name is taken, or a setting is out of its range.</exception>
    public static TvixStoreBuilder AddGrpcBlobService(this TvixStoreBuilder builder, string name, Action<GrpcStoreOptions> configure)
    {
        (GrpcStoreAddress address, GrpcStoreOptions options) = Prepare(builder, configure);
        GrpcBlobServiceOptions blobs = GrpcStore.BlobOptionsFor(address, options.Blobs);
        blobs.Validate();
        return builder.AddService<IBlobService>(name, provider => new GrpcBlobService(Channel(provider, address, options), blobs));
    }

    /// <summary>Adds the directories of a server.</summary>
    /// <inheritdoc cref="AddGrpcBlobService"/>
    public static TvixStoreBuilder AddGrpcDirectoryService(this TvixStoreBuilder builder, string name, Action<GrpcStoreOptions> configure)
    {
        (GrpcStoreAddress address, GrpcStoreOptions options) = Prepare(builder, configure);
        return builder.AddService<IDirectoryService>(
            name, provider => new GrpcDirectoryService(Channel(provider, address, options), GrpcStore.OptionsFor(address)));
    }

    /// <summary>Adds the path infos of a server.</summary>
    /// <inheritdoc cref="AddGrpcBlobService"/>
    public static TvixStoreBuilder AddGrpcPathInfoService(this TvixStoreBuilder builder, string name, Action<GrpcStoreOptions> configure)
    {
        (GrpcStoreAddress address, GrpcStoreOptions options) = Prepare(builder, configure);
        return builder.AddService<IPathInfoService>(
            name, provider => new GrpcPathInfoService(Channel(provider, address, options), GrpcStore.OptionsFor(address)));
    }

    /// <summary>
    /// Adds the store of a server: the three services under one name, and its <see cref="INarCalculationService"/>, so that contents need
    /// not be fetched to be hashed.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="address">The address; see <see cref="GrpcStoreAddress"/>.</param>
    /// <param name="name">The name.</param>
    /// <param name="configure">What else is to be set. Called at once.</param>
    /// <exception cref="FormatException">The address is not that of a server.</exception>
    /// <exception cref="ArgumentException">The name is taken, or a setting is out of its range.</exception>
    public static TvixStoreBuilder AddGrpcStore(
        this TvixStoreBuilder builder, string address, string name = TvixStoreBuilder.RootName, Action<GrpcStoreOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        (GrpcStoreAddress parsed, GrpcStoreOptions options) = Prepare(builder, Configure);
        return builder
            .AddGrpcBlobService(name, Configure)
            .AddGrpcDirectoryService(name, Configure)
            .AddGrpcPathInfoService(name, Configure)
            .AddService<INarCalculationService>(name, provider => new GrpcPathInfoService(Channel(provider, parsed, options), GrpcStore.OptionsFor(parsed)));

        void Configure(GrpcStoreOptions options)
        {
            options.Address = address;
            configure?.Invoke(options);
        }
    }

    private static (GrpcStoreAddress Address, GrpcStoreOptions Options) Prepare(TvixStoreBuilder builder, Action<GrpcStoreOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        GrpcStoreOptions options = new();
        configure(options);
        GrpcStoreAddress address = GrpcStoreAddress.Parse(options.Address);
        builder.Services.TryAddSingleton<GrpcChannels>();
        return (address, options);
    }

    private static GrpcChannel Channel(IServiceProvider provider, GrpcStoreAddress address, GrpcStoreOptions options) =>
        provider.GetRequiredService<GrpcChannels>().Get(address, options.ConfigureChannel);
}
