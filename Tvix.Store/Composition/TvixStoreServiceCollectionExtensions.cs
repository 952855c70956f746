using Microsoft.Extensions.DependencyInjection.Extensions;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Store;
using Tvix.Store.Composition;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Stores for Nix, in a container.</summary>
public static class TvixStoreServiceCollectionExtensions
{
    /// <summary>
    /// Adds stores. Each name for which there are a blob, a directory and a path info service is a <see cref="TvixStore"/>; that named <c>root</c> is also the plain one.
    /// </summary>
    /// <param name="services">The services of the container.</param>
    /// <param name="configure">Adds backends, caches and whole stores.</param>
    /// <param name="storeDirectory">The store directory of all stores.</param>
    /// <exception cref="ArgumentException">A name is given twice.</exception>
    /// <exception cref="InvalidOperationException">A service refers to one that does not exist, or to itself; the message names it.</exception>
    public static IServiceCollection AddTvixStore(
        this IServiceCollection services, Action<TvixStoreBuilder> configure, StoreDirectory storeDirectory = default)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        TvixStoreBuilder builder = new(services);
        configure(builder);
        builder.Validate();
        services.TryAddKeyedSingleton(KeyedService.AnyKey, (provider, key) => MakeStore(provider, key, storeDirectory));
        services.TryAddSingleton(static provider => provider.GetRequiredKeyedService<TvixStore>(TvixStoreBuilder.RootName));
        return services;
    }

    /// <summary>Adds a whole store in memory: the three services under one name.</summary>
    public static TvixStoreBuilder AddMemoryStore(this TvixStoreBuilder builder, string name = TvixStoreBuilder.RootName) =>
        builder.AddMemoryBlobService(name).AddMemoryDirectoryService(name).AddMemoryPathInfoService(name);

    /// <summary>Adds an embedded store in a folder: the three services under one name.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="path">The folder; made on first use when it does not exist.</param>
    /// <param name="name">The name.</param>
    /// <param name="configure">Further settings.</param>
    public static TvixStoreBuilder AddLocalStore(
        this TvixStoreBuilder builder, string path, string name = TvixStoreBuilder.RootName, Action<LocalStoreOptions>? configure = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return builder
            .AddLocalCastore(name, options =>
            {
                options.Path = path;
                configure?.Invoke(options);
            })
            .AddLocalPathInfoService(name);
    }

    /// <summary>Adds the store at an address: the three services under one name.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="address">The address; see <see cref="StoreAddress"/>.</param>
    /// <param name="name">The name.</param>
    /// <param name="resolver">Knows the schemes other than <c>memory:</c> and <c>local:</c>; their stores are opened when they are first asked for.</param>
    /// <exception cref="FormatException"><paramref name="address"/> is no address that is known.</exception>
    public static TvixStoreBuilder AddStore(
        this TvixStoreBuilder builder, string address, string name = TvixStoreBuilder.RootName, StoreAddressResolver? resolver = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        StoreAddress parsed = StoreAddress.Parse(address);
        switch (parsed.Scheme)
        {
            case "memory":
                StoreAddressResolver.Default.Open(parsed); // which checks the rest
                return builder.AddMemoryStore(name);
            case "local":
                LocalStoreOptions options = StoreAddressResolver.ParseLocal(parsed);
                return builder.AddLocalStore(options.Path, name, target => options.CopyTo(target));
            case { } when resolver is not null:
                return builder
                    .AddService(name, _ => resolver.Open(parsed))
                    .AddService(name, provider => provider.GetRequiredKeyedService<StoreServices>(name).Blobs)
                    .AddService(name, provider => provider.GetRequiredKeyedService<StoreServices>(name).Directories)
                    .AddService(name, provider => provider.GetRequiredKeyedService<StoreServices>(name).PathInfos);
            default:
                throw new FormatException($"'{address}' has the scheme '{parsed.Scheme}'; known are local and memory.");
        }
    }

    /// <summary>Adds path infos in memory.</summary>
    public static TvixStoreBuilder AddMemoryPathInfoService(this TvixStoreBuilder builder, string name = TvixStoreBuilder.RootName)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddService<IPathInfoService>(name, static _ => new MemoryPathInfoService());
    }

    /// <summary>Adds the path infos of an embedded store that was added under a name, by default the same one.</summary>
    public static TvixStoreBuilder AddLocalPathInfoService(this TvixStoreBuilder builder, string name = TvixStoreBuilder.RootName, string? store = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddService<IPathInfoService>(name, provider => new LocalPathInfoService(provider.GetRequiredKeyedService<LocalStore>(store ?? name)));
    }

    /// <summary>Adds path infos in memory of which the least recently used are forgotten.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="capacity">How many are kept.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="capacity"/> is less than one.</exception>
    public static TvixStoreBuilder AddLruPathInfoService(this TvixStoreBuilder builder, string name, int capacity)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        return builder.AddService<IPathInfoService>(name, _ => new LruPathInfoService(capacity));
    }

    /// <summary>Adds a path info service that signs what is put into another.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="inner">The name of the path info service that is written to and read from.</param>
    /// <param name="key">The key to sign with.</param>
    /// <param name="storeDirectory">The store directory, which is part of what is signed.</param>
    public static TvixStoreBuilder AddSigningPathInfoService(
        this TvixStoreBuilder builder, string name, string inner, SigningKey key, StoreDirectory storeDirectory = default)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(key);
        return builder.AddService<IPathInfoService>(
            name, provider => new SigningPathInfoService(provider.GetRequiredKeyedService<IPathInfoService>(inner), key, storeDirectory), inner);
    }

    private static TvixStore MakeStore(IServiceProvider provider, object? key, StoreDirectory storeDirectory)
    {
        LocalStore? local = provider.GetKeyedService<LocalStore>(key);
        return new TvixStore(
            new StoreServices(
                provider.GetRequiredKeyedService<IBlobService>(key),
                provider.GetRequiredKeyedService<IDirectoryService>(key),
                provider.GetRequiredKeyedService<IPathInfoService>(key)) { Statistics = local, Verifiable = local },
            storeDirectory);
    }
}
