using Microsoft.Extensions.DependencyInjection;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;

namespace Tvix.Castore.Composition;

/// <summary>The types of blob and directory services that the configuration may name.</summary>
internal static class CastoreServiceTypes
{
    public static void AddTo(TvixStoreBuilder builder) => builder
        .AddServiceType<IBlobService>("memory", static (builder, section) => builder.AddMemoryBlobService(section.Name))
        .AddServiceType<IBlobService>("local", static (builder, section) =>
        {
            string store = SharedLocalStores.Add(builder, section);
            builder.AddService(section.Name, provider => provider.GetRequiredKeyedService<LocalStore>(store).Blobs);
            builder.SetBacking<IBlobService, LocalStore>(section.Name, store);
        })
        .AddServiceType<IBlobService>("combined", static (builder, section) => builder.AddCombinedBlobService(
            section.Name, section.GetName<IBlobService>("Near", "Local"), section.GetName<IBlobService>("Far", "Remote")))
        .AddServiceType<IBlobService>("cache", static (builder, section) => builder.AddCachingBlobService(
            section.Name, section.GetName<IBlobService>("Near"), section.GetName<IBlobService>("Far"), WritesOf(section)))
        .AddServiceType<IDirectoryService>("memory", static (builder, section) => builder.AddMemoryDirectoryService(section.Name))
        .AddServiceType<IDirectoryService>("local", static (builder, section) =>
        {
            string store = SharedLocalStores.Add(builder, section);
            builder.AddService(section.Name, provider => provider.GetRequiredKeyedService<LocalStore>(store).Directories);
            builder.SetBacking<IDirectoryService, LocalStore>(section.Name, store);
        })
        .AddServiceType<IDirectoryService>("cache", static (builder, section) => builder.AddCachingDirectoryService(
            section.Name, section.GetName<IDirectoryService>("Near"), section.GetName<IDirectoryService>("Far"), WritesOf(section)));

    /// <summary>Where a cache writes.</summary>
    public static CacheWrites WritesOf(ServiceSection section) => section.FindChoice<CacheWrites>("Writes") ?? CacheWrites.Near;
}
