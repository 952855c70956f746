using CustomBackend;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Makes our backend a choice like any other: <c>services.AddTvixStore(store => store.AddFolderBlobService("far", "/srv/blobs"))</c>.</summary>
public static class FolderTvixStoreBuilderExtensions
{
    public static TvixStoreBuilder AddFolderBlobService(this TvixStoreBuilder builder, string name, string folder) =>
        builder.AddService<IBlobService>(name, _ => new FolderBlobService(folder));
}
