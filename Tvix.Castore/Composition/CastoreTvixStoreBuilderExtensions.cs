using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>The blob and directory services of Tvix.Castore, for the builder.</summary>
public static class CastoreTvixStoreBuilderExtensions
{
    /// <summary>Adds blobs in memory.</summary>
    public static TvixStoreBuilder AddMemoryBlobService(this TvixStoreBuilder builder, string name = TvixStoreBuilder.RootName)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddService<IBlobService>(name, static _ => new MemoryBlobService());
    }

    /// <summary>Adds directories in memory.</summary>
    public static TvixStoreBuilder AddMemoryDirectoryService(this TvixStoreBuilder builder, string name = TvixStoreBuilder.RootName)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddService<IDirectoryService>(name, static _ => new MemoryDirectoryService());
    }

    /// <summary>Adds a blob service that reads from one and then another, and writes to the first.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="near">The name of the blob service that is asked first and written to.</param>
    /// <param name="far">The name of the blob service that is asked for what the first does not have.</param>
    public static TvixStoreBuilder AddCombinedBlobService(this TvixStoreBuilder builder, string name, string near, string far)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddService<IBlobService>(
            name,
            provider => new CombinedBlobService(provider.GetRequiredKeyedService<IBlobService>(near), provider.GetRequiredKeyedService<IBlobService>(far)),
            near,
            far);
    }

    /// <summary>Adds a blob service that keeps in one what it reads from another.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="near">The name of the blob service that is asked first, and filled.</param>
    /// <param name="far">The name of the blob service that is asked for what the first does not have.</param>
    /// <param name="writes">Where blobs go that are written.</param>
    public static TvixStoreBuilder AddCachingBlobService(
        this TvixStoreBuilder builder, string name, string near, string far, CacheWrites writes = CacheWrites.Near)
    {
        ArgumentNullException.ThrowIfNull(builder);
        writes.ThrowIfUndefined();
        builder.AddService<IBlobService>(
            name,
            provider => new CachingBlobService(
                provider.GetRequiredKeyedService<IBlobService>(near), provider.GetRequiredKeyedService<IBlobService>(far), writes)
            {
                Lookups = { Name = name },
            },
            near,
            far);
        builder.SetBacking<IBlobService, IBlobService>(name, near);
        return builder;
    }

    /// <summary>Adds a directory service that keeps in one what it reads from another.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The name.</param>
    /// <param name="near">The name of the directory service that is asked first, and filled.</param>
    /// <param name="far">The name of the directory service that is asked for what the first does not have.</param>
    /// <param name="writes">Where directories go that are written.</param>
    public static TvixStoreBuilder AddCachingDirectoryService(
        this TvixStoreBuilder builder, string name, string near, string far, CacheWrites writes = CacheWrites.Near)
    {
        ArgumentNullException.ThrowIfNull(builder);
        writes.ThrowIfUndefined();
        builder.AddService<IDirectoryService>(
            name,
            provider => new CachingDirectoryService(
                provider.GetRequiredKeyedService<IDirectoryService>(near), provider.GetRequiredKeyedService<IDirectoryService>(far), writes)
            {
                Lookups = { Name = name },
            },
            near,
            far);
        builder.SetBacking<IDirectoryService, IDirectoryService>(name, near);
        return builder;
    }

    /// <summary>
    /// Adds an embedded store in a folder: its blobs and its directories under the name, and the <see cref="LocalStore"/> itself. The path is given with
    /// <paramref name="configure"/>, or by configuring the <see cref="LocalStoreOptions"/> of that name in some other way.
    /// </summary>
    public static TvixStoreBuilder AddLocalCastore(
        this TvixStoreBuilder builder, string name = TvixStoreBuilder.RootName, Action<LocalStoreOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        OptionsBuilder<LocalStoreOptions> options = builder.Services.AddOptions<LocalStoreOptions>(name).ValidateOnStart();
        if (configure is not null)
        {
            options.Configure(configure);
        }

        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<LocalStoreOptions>, ValidateLocalStoreOptions>());
        builder
            .AddService(name, provider => new LocalStore(
                provider.GetRequiredService<IOptionsMonitor<LocalStoreOptions>>().Get(name), provider.GetService<ILogger<LocalStore>>()))
            .AddService(name, provider => provider.GetRequiredKeyedService<LocalStore>(name).Blobs)
            .AddService(name, provider => provider.GetRequiredKeyedService<LocalStore>(name).Directories);
        builder.SetBacking<IBlobService, LocalStore>(name, name);
        builder.SetBacking<IDirectoryService, LocalStore>(name, name);
        return builder;
    }

    private sealed class ValidateLocalStoreOptions : IValidateOptions<LocalStoreOptions>
    {
        public ValidateOptionsResult Validate(string? name, LocalStoreOptions options)
        {
            try
            {
                options.Validate();
                return ValidateOptionsResult.Success;
            }
            catch (ArgumentException e)
            {
                return ValidateOptionsResult.Fail($"The embedded store '{name}': {e.Message}");
            }
        }
    }
}
