using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Store;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Composition;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Telemetry;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Stores for Nix, in a container.</summary>
public static class TvixStoreServiceCollectionExtensions
{
    /// <summary>
    /// Adds stores. Each name for which there are a blob, a directory and a path info service is a <see cref="TvixStore"/>; that named
    /// <c>root</c> is also the plain one.
    /// </summary>
    /// <param name="services">The services of the container. Names that an earlier call added can be referred to.</param>
    /// <param name="configure">Adds backends, caches and whole stores.</param>
    /// <param name="storeDirectory">The store directory of the stores that this call adds.</param>
    /// <exception cref="ArgumentException">A name is given twice.</exception>
    /// <exception cref="InvalidOperationException">A service refers to one that does not exist, or to itself; the message names it.</exception>
    public static IServiceCollection AddTvixStore(
        this IServiceCollection services, Action<TvixStoreBuilder> configure, StoreDirectory storeDirectory = default)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        TvixStoreBuilder builder = new(services);
        builder.Registry.Decorators.TryAdd(
            typeof(IPathInfoService), static (service, name) => new MeasuredPathInfoService((IPathInfoService)service, name));
        StoreSettings settings = builder.Registry.Part<StoreSettings>();
        settings.ConfiguredDirectory = null;

        configure(builder);
        builder.Validate();
        foreach ((Type service, string name) in builder.Registry.Names.Keys)
        {
            if (service == typeof(IPathInfoService))
            {
                settings.Directories.TryAdd(name, settings.ConfiguredDirectory ?? storeDirectory);
            }
        }

        services.TryAddKeyedSingleton(KeyedService.AnyKey, static (provider, key) => MakeStore(provider, key));
        services.TryAddSingleton(static provider => provider.GetRequiredKeyedService<TvixStore>(TvixStoreBuilder.RootName));
        return services;
    }

    /// <summary>Adds the stores that the configuration names; see <see cref="AddFromConfiguration"/>.</summary>
    /// <param name="services">The services of the container. Names that an earlier call added can be referred to.</param>
    /// <param name="configuration">The section, such as that named <c>TvixStore</c>.</param>
    /// <param name="configure">Makes known, before the section is read, what other packages offer, and adds what is not in the section.</param>
    /// <exception cref="InvalidOperationException">
    /// Something in the section is wrong, or refers to what does not exist; the message has the path in the configuration.
    /// </exception>
    public static IServiceCollection AddTvixStore(
        this IServiceCollection services, IConfiguration configuration, Action<TvixStoreBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return services.AddTvixStore(builder =>
        {
            configure?.Invoke(builder);
            builder.AddFromConfiguration(configuration);
        });
    }

    /// <summary>Adds the named services and stores of a section of the configuration.</summary>
    /// <remarks>
    /// <para>The section has the keys <c>StoreDirectory</c>, <c>BlobServices</c>, <c>DirectoryServices</c>, <c>PathInfoServices</c> and
    /// <c>Stores</c>. Below each of the latter four, a key is a name, and its value says what is added under it: a <c>Type</c> and the
    /// keys of that type, or an <c>Address</c>.</para>
    /// <para>The configuration does not tell upper from lower case. A service has the name as the configuration spells it, and what is
    /// said elsewhere in the section is the same name in any spelling; <c>root</c> is always in lower case. Other types are added with
    /// <see cref="TvixStoreBuilder.AddServiceType"/>, and for whole stores with <see cref="TvixStore"/> as the kind of service; that is
    /// done before this call.</para>
    /// </remarks>
    /// <param name="builder">The builder.</param>
    /// <param name="configuration">The section.</param>
    /// <exception cref="InvalidOperationException">Something in the section is wrong; the message has the path in the configuration.</exception>
    public static TvixStoreBuilder AddFromConfiguration(this TvixStoreBuilder builder, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configuration);
        StoreConfiguration.Add(builder, configuration);
        return builder;
    }

    /// <summary>What the addresses mean that are given to the builder: the default resolver, and what packages have added.</summary>
    public static StoreAddressResolver GetAddressResolver(this TvixStoreBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Registry.Part<StoreSettings>().Resolver;
    }

    /// <summary>Gives the builder another resolver, for the addresses that come after this call.</summary>
    public static TvixStoreBuilder UseAddressResolver(this TvixStoreBuilder builder, StoreAddressResolver resolver)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(resolver);
        builder.Registry.Part<StoreSettings>().Resolver = resolver;
        return builder;
    }

    /// <summary>Makes a scheme known to the builder, for the addresses that come after this call.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="scheme">The scheme in lower case, without the colon.</param>
    /// <param name="open">Opens a store when it is first asked for; addresses inside of the address, with the resolver that it is given.</param>
    /// <param name="check">
    /// Checks an address when it is added, as far as that is possible without any I/O; <see langword="null"/> when there is nothing to check.
    /// </param>
    public static TvixStoreBuilder UseAddresses(
        this TvixStoreBuilder builder,
        string scheme,
        Func<StoreAddress, StoreAddressResolver, StoreServices> open,
        Action<StoreAddress, StoreAddressResolver>? check = null) =>
        builder.UseAddressResolver(builder.GetAddressResolver().With(scheme, open, check));

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
    /// <remarks>A cache adds the stores that it is made of as well, as <c>NAME/near</c> and <c>NAME/far</c>.</remarks>
    /// <param name="builder">The builder.</param>
    /// <param name="address">The address; see <see cref="StoreAddress"/>.</param>
    /// <param name="name">The name.</param>
    /// <param name="resolver">Knows the schemes; <see langword="null"/> for the builder's, see <see cref="GetAddressResolver"/>.</param>
    /// <exception cref="FormatException"><paramref name="address"/> is no address that is known.</exception>
    public static TvixStoreBuilder AddStore(
        this TvixStoreBuilder builder, string address, string name = TvixStoreBuilder.RootName, StoreAddressResolver? resolver = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        (resolver ?? builder.GetAddressResolver()).AddTo(builder, StoreAddress.Parse(address), name);
        return builder;
    }

    /// <summary>Adds a whole store that keeps in one what it reads from another: the three services under one name.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="near">The name of the three services that are asked first, and filled.</param>
    /// <param name="far">The name of the three services that are asked for what the first do not have.</param>
    /// <param name="writes">Where things go that are written.</param>
    public static TvixStoreBuilder AddCachingStore(
        this TvixStoreBuilder builder, string name, string near, string far, CacheWrites writes = CacheWrites.Near) =>
        builder
            .AddCachingBlobService(name, near, far, writes)
            .AddCachingDirectoryService(name, near, far, writes)
            .AddCachingPathInfoService(name, near, far, writes);

    /// <summary>Adds a path info service that keeps in one what it reads from another.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="near">The name of the path info service that is asked first, and filled.</param>
    /// <param name="far">The name of the path info service that is asked for what the first does not have.</param>
    /// <param name="writes">Where path infos go that are written.</param>
    public static TvixStoreBuilder AddCachingPathInfoService(
        this TvixStoreBuilder builder, string name, string near, string far, CacheWrites writes = CacheWrites.Near)
    {
        ArgumentNullException.ThrowIfNull(builder);
        writes.ThrowIfUndefined();
        return builder.AddService<IPathInfoService>(
            name,
            provider => new CachingPathInfoService(
                provider.GetRequiredKeyedService<IPathInfoService>(near), provider.GetRequiredKeyedService<IPathInfoService>(far), writes)
            {
                Lookups = { Name = name },
            },
            near,
            far);
    }

    /// <summary>
    /// Adds a binary cache as a path info service, over named blobs and directories that its contents are brought into. Put a cache with the same blobs and directories
    /// before it (<see cref="AddCachingPathInfoService"/>), or whatever is asked for twice may be fetched twice.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="address">The address, <c>nix+https:</c>, <c>nix+http:</c> or <c>file:</c>, with parameters; see <see cref="StoreAddressResolver"/>.</param>
    /// <param name="contents">The name of the blob and directory services.</param>
    /// <exception cref="FormatException"><paramref name="address"/> is not that of a binary cache.</exception>
    public static TvixStoreBuilder AddBinaryCachePathInfoService(this TvixStoreBuilder builder, string name, string address, string contents) =>
        builder.AddBinaryCachePathInfoService(name, address, contents, contents);

    /// <summary>Adds a binary cache as a path info service; see <see cref="AddBinaryCachePathInfoService(TvixStoreBuilder, string, string, string)"/>.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="address">The address.</param>
    /// <param name="blobs">The name of the blob service.</param>
    /// <param name="directories">The name of the directory service.</param>
    /// <exception cref="FormatException"><paramref name="address"/> is not that of a binary cache.</exception>
    public static TvixStoreBuilder AddBinaryCachePathInfoService(
        this TvixStoreBuilder builder, string name, string address, string blobs, string directories)
    {
        ArgumentNullException.ThrowIfNull(builder);
        BinaryCacheAddress parsed = BinaryCacheAddress.Parse(StoreAddress.Parse(address));
        return builder
            .AddService(name, _ => new OpenedBinaryCache(parsed))
            .AddService<IPathInfoService>(name, provider => new BinaryCachePathInfoService(
                provider.GetRequiredKeyedService<OpenedBinaryCache>(name).Cache,
                provider.GetRequiredKeyedService<IBlobService>(blobs),
                provider.GetRequiredKeyedService<IDirectoryService>(directories)))
            .AddReference<IPathInfoService, IBlobService>(name, blobs)
            .AddReference<IPathInfoService, IDirectoryService>(name, directories);
    }

    /// <summary>Adds several path info services as one; see <see cref="CombinedPathInfoService"/>.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="services">The names of the services, in the order in which they are asked.</param>
    public static TvixStoreBuilder AddCombinedPathInfoService(this TvixStoreBuilder builder, string name, params IEnumerable<string> services)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(services);
        string[] names = [.. services];
        return names.Length == 0
            ? throw new ArgumentException("There must be at least one service.", nameof(services))
            : builder.AddService<IPathInfoService>(
                name,
                provider => new CombinedPathInfoService(names.Select(each => provider.GetRequiredKeyedService<IPathInfoService>(each))),
                names);
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
        store ??= name;
        return builder
            .AddService<IPathInfoService>(name, provider => new LocalPathInfoService(provider.GetRequiredKeyedService<LocalStore>(store)))
            .AddReference<IPathInfoService, LocalStore>(name, store);
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

    /// <summary>Adds a path info service that signs what is put into another, with the key of a file, which is read when the host starts.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="inner">The name of the path info service that is written to and read from.</param>
    /// <param name="keyFile">The path of the file; see <see cref="SigningKey.ReadFileAsync"/>.</param>
    /// <param name="storeDirectory">The store directory, which is part of what is signed.</param>
    public static TvixStoreBuilder AddKeyFileSigningPathInfoService(
        this TvixStoreBuilder builder, string name, string inner, string keyFile, StoreDirectory storeDirectory = default)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(keyFile);
        builder.Services.AddOptions<SigningKeyFile>(name).Configure(file => file.Path = keyFile).ValidateOnStart();
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<SigningKeyFile>, ValidateSigningKeyFile>());
        return builder.AddService<IPathInfoService>(
            name,
            provider => new SigningPathInfoService(
                provider.GetRequiredKeyedService<IPathInfoService>(inner),
                provider.GetRequiredService<IOptionsMonitor<SigningKeyFile>>().Get(name).Key,
                storeDirectory),
            inner);
    }

    private static TvixStore MakeStore(IServiceProvider provider, object? key)
    {
        TvixStoreRegistry registry = provider.GetRequiredService<TvixStoreRegistry>();
        StoreServices services = new(
            provider.GetRequiredKeyedService<IBlobService>(key),
            provider.GetRequiredKeyedService<IDirectoryService>(key),
            provider.GetRequiredKeyedService<IPathInfoService>(key)) { NarCalculation = provider.GetKeyedService<INarCalculationService>(key) };
        string name = key as string ?? TvixStoreBuilder.RootName;

        // Only what holds both the blobs and the directories can count and check the store.
        if (registry.FindBacking(typeof(IBlobService), name) is { } backing && registry.FindBacking(typeof(IDirectoryService), name) == backing)
        {
            if (backing.Service == typeof(LocalStore))
            {
                LocalStore local = provider.GetRequiredKeyedService<LocalStore>(backing.Name);
                services = services with { Statistics = local, Verifiable = local };
            }
            else if (backing.Service == typeof(OpenedStore))
            {
                StoreServices opened = provider.GetRequiredKeyedService<OpenedStore>(backing.Name).Services;
                services = services with { Statistics = opened.Statistics, Verifiable = opened.Verifiable, NarCalculation = opened.NarCalculation };
            }
        }

        return new TvixStore(services, registry.Part<StoreSettings>().Directories.GetValueOrDefault(name));
    }
}
