using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Composition;

/// <summary>Reads the section of the configuration that names services and stores.</summary>
internal static class StoreConfiguration
{
    private const string DirectoryKey = "StoreDirectory";

    // For each kind of service, the key of its section. A whole store is of all kinds.
    private static readonly (Type Service, string Key)[] s_kinds =
    [
        (typeof(IBlobService), "BlobServices"),
        (typeof(IDirectoryService), "DirectoryServices"),
        (typeof(IPathInfoService), "PathInfoServices"),
        (typeof(TvixStore), "Stores"),
    ];

    public static void Add(TvixStoreBuilder builder, IConfiguration configuration)
    {
        AddTypes(builder);
        string path = configuration is IConfigurationSection section ? section.Path : "The configuration";
        foreach (IConfigurationSection child in configuration.GetChildren())
        {
            if (!child.Key.Equals(DirectoryKey, StringComparison.OrdinalIgnoreCase)
                && !s_kinds.Any(kind => kind.Key.Equals(child.Key, StringComparison.OrdinalIgnoreCase)))
            {
                string known = string.Join(", ", s_kinds.Select(kind => kind.Key).Prepend(DirectoryKey));
                throw new InvalidOperationException($"{path}: '{child.Key}' is not known; known are {known}.");
            }
        }

        if (configuration[DirectoryKey] is { } directory)
        {
            try
            {
                builder.Registry.Part<StoreSettings>().ConfiguredDirectory = new StoreDirectory(directory);
            }
            catch (Exception e) when (e is ArgumentException or FormatException)
            {
                throw new InvalidOperationException($"{configuration.GetSection(DirectoryKey).Path}: {e.Message}", e);
            }
        }

        Func<Type, string, string> nameOf = Spell(builder, configuration);
        ServiceConfiguration.AddAll<IBlobService>(builder, configuration.GetSection("BlobServices"), nameOf);
        ServiceConfiguration.AddAll<IDirectoryService>(builder, configuration.GetSection("DirectoryServices"), nameOf);
        ServiceConfiguration.AddAll<IPathInfoService>(builder, configuration.GetSection("PathInfoServices"), nameOf);
        ServiceConfiguration.AddAll<TvixStore>(builder, configuration.GetSection("Stores"), nameOf);
    }

    /// <summary>Names as they are spelled where they are given to a service: in the configuration, or else before, in code.</summary>
    private static Func<Type, string, string> Spell(TvixStoreBuilder builder, IConfiguration configuration)
    {
        Dictionary<Type, HashSet<string>> names = s_kinds.ToDictionary(
            kind => kind.Service,
            kind => configuration.GetSection(kind.Key).GetChildren().Select(child => child.Key)
                .Concat(kind.Service == typeof(TvixStore) ? [] : configuration.GetSection("Stores").GetChildren().Select(child => child.Key))
                .ToHashSet(StringComparer.OrdinalIgnoreCase));
        return (service, name) =>
            name.Equals(TvixStoreBuilder.RootName, StringComparison.OrdinalIgnoreCase) ? TvixStoreBuilder.RootName
            : builder.Registry.Names.ContainsKey((service, name)) ? name
            : names[service].TryGetValue(name, out string? spelled) ? spelled
            : name;
    }

    private static void AddTypes(TvixStoreBuilder builder)
    {
        TvixStoreBuilder known = new(new ServiceCollection());
        CastoreServiceTypes.AddTo(known);
        known
            .AddServiceType<IBlobService>(ServiceConfiguration.AddressType, static (builder, section) =>
            {
                string store = AddAddressed(builder, section);
                builder.AddService(section.Name, provider => provider.GetRequiredKeyedService<OpenedStore>(store).Services.Blobs);
                builder.SetBacking<IBlobService, OpenedStore>(section.Name, store);
            })
            .AddServiceType<IDirectoryService>(ServiceConfiguration.AddressType, static (builder, section) =>
            {
                string store = AddAddressed(builder, section);
                builder.AddService(section.Name, provider => provider.GetRequiredKeyedService<OpenedStore>(store).Services.Directories);
                builder.SetBacking<IDirectoryService, OpenedStore>(section.Name, store);
            })
            .AddServiceType<IPathInfoService>(ServiceConfiguration.AddressType, static (builder, section) =>
            {
                string store = AddAddressed(builder, section);
                builder.AddService(section.Name, provider => provider.GetRequiredKeyedService<OpenedStore>(store).Services.PathInfos);
            })
            .AddServiceType<IPathInfoService>("memory", static (builder, section) => builder.AddMemoryPathInfoService(section.Name))
            .AddServiceType<IPathInfoService>("local", static (builder, section) =>
                builder.AddLocalPathInfoService(section.Name, SharedLocalStores.Add(builder, section)))
            .AddServiceType<IPathInfoService>("lru", static (builder, section) =>
            {
                long capacity = section.FindNumber("Capacity") ?? throw section.Error("'Capacity' is missing.");
                if (capacity is < 1 or > int.MaxValue)
                {
                    throw section.Error($"'Capacity' is {capacity}; it must be from 1 to {int.MaxValue}.");
                }

                builder.AddLruPathInfoService(section.Name, (int)capacity);
            })
            .AddServiceType<IPathInfoService>("nix", static (builder, section) => builder.AddBinaryCachePathInfoService(
                section.Name,
                section.Get("Address"),
                section.GetName<IBlobService>("BlobService", "blob_service"),
                section.GetName<IDirectoryService>("DirectoryService", "directory_service")))
            .AddServiceType<IPathInfoService>("combined", static (builder, section) => builder.AddCombinedPathInfoService(
                section.Name, section.Get("Services").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)))
            .AddServiceType<IPathInfoService>("cache", static (builder, section) => builder.AddCachingPathInfoService(
                section.Name,
                section.GetName<IPathInfoService>("Near"),
                section.GetName<IPathInfoService>("Far"),
                CastoreServiceTypes.WritesOf(section)))
            .AddServiceType<IPathInfoService>("keyfile-signing", static (builder, section) => builder.AddKeyFileSigningPathInfoService(
                section.Name,
                section.GetName<IPathInfoService>("Inner"),
                section.Get("KeyFile"),
                builder.Registry.Part<StoreSettings>().ConfiguredDirectory ?? default))
            .AddServiceType<TvixStore>(ServiceConfiguration.AddressType, static (builder, section) =>
                builder.AddStore(section.Get("Address"), section.Name))
            .AddServiceType<TvixStore>("memory", static (builder, section) => builder.AddMemoryStore(section.Name))
            .AddServiceType<TvixStore>("local", static (builder, section) =>
            {
                string store = SharedLocalStores.Add(builder, section);
                builder
                    .AddService(section.Name, provider => provider.GetRequiredKeyedService<LocalStore>(store).Blobs)
                    .AddService(section.Name, provider => provider.GetRequiredKeyedService<LocalStore>(store).Directories)
                    .AddLocalPathInfoService(section.Name, store);
                builder.SetBacking<IBlobService, LocalStore>(section.Name, store);
                builder.SetBacking<IDirectoryService, LocalStore>(section.Name, store);
            })
            .AddServiceType<TvixStore>("cache", static (builder, section) =>
            {
                string near = section.GetName<TvixStore>("Near");
                string far = section.GetName<TvixStore>("Far");
                builder.AddCachingStore(section.Name, near, far, CastoreServiceTypes.WritesOf(section));
            });

        // What a package has said before about a type stands.
        foreach (((Type Service, string Type) key, Action<TvixStoreBuilder, ServiceSection> add) in known.Registry.Types)
        {
            builder.Registry.Types.TryAdd(key, add);
        }
    }

    /// <summary>The store at the address of a section, which services of different kinds and the same name share.</summary>
    private static string AddAddressed(TvixStoreBuilder builder, ServiceSection section)
    {
        StoreAddress address = StoreAddress.Parse(section.Get("Address"));
        StoreAddressResolver resolver = builder.GetAddressResolver();
        resolver.Check(address);
        string store = $"{section.Name}@{address}";
        if (!builder.Registry.Names.ContainsKey((typeof(OpenedStore), store)))
        {
            builder.AddService(store, _ => new OpenedStore(resolver.Open(address)));
        }

        return store;
    }
}
