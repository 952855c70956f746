using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tvix.Castore.Local;

namespace Tvix.Castore.Composition;

/// <summary>The embedded stores that are named in the configuration: one for each folder, however many services are in it.</summary>
internal sealed class SharedLocalStores
{
    private readonly Dictionary<string, Shared> _stores = new(StringComparer.Ordinal);

    /// <summary>Adds the embedded store of a section, unless that of another section is the same, and that it is there under the
    /// section's name as well.</summary>
    /// <returns>The name of the store.</returns>
    /// <exception cref="InvalidOperationException">A setting differs from what another section says about the same folder.</exception>
    public static string Add(TvixStoreBuilder builder, ServiceSection section)
    {
        Dictionary<string, Shared> stores = builder.Registry.Part<SharedLocalStores>()._stores;
        string path = Path.GetFullPath(section.Get("Path"));
        string key = "local:" + path;
        if (!stores.TryGetValue(path, out Shared? shared))
        {
            stores.Add(path, shared = new Shared(new LocalStoreOptions { Path = path }));
            LocalStoreOptions options = shared.Options;
            builder.AddService(key, provider => new LocalStore(options, provider.GetService<ILogger<LocalStore>>()));
        }

        Set(shared, section, "Compression", section.FindChoice<LocalCompression>("Compression"), static (options, value) => options.Compression = value);
        Set(
            shared,
            section,
            "CompressionLevel",
            section.FindNumber("CompressionLevel", "Level"),
            static (options, value) => options.CompressionLevel = checked((int)value));
        Set(
            shared,
            section,
            "AverageChunkSize",
            section.FindNumber("AverageChunkSize", "ChunkSize", "chunk-size", "avg_chunk_size"),
            static (options, value) => options.AverageChunkSize = checked((int)value));
        Set(shared, section, "Durability", section.FindChoice<LocalDurability>("Durability"), static (options, value) => options.Durability = value);
        Set(shared, section, "PackSize", section.FindNumber("PackSize"), static (options, value) => options.PackSize = value);
        shared.Options.Validate();

        if (!builder.Registry.Names.ContainsKey((typeof(LocalStore), section.Name)))
        {
            builder.AddService(section.Name, provider => provider.GetRequiredKeyedService<LocalStore>(key));
        }

        return key;
    }

    private static void Set<T>(Shared shared, ServiceSection section, string key, T? value, Action<LocalStoreOptions, T> set)
        where T : struct
    {
        if (value is not { } given)
        {
            return;
        }

        if (shared.Given.TryGetValue(key, out (object Value, string Origin) known) && !known.Value.Equals(given))
        {
            throw section.Error($"'{key}' is {given}, but {known.Origin} says {known.Value} for the same folder.");
        }

        try
        {
            set(shared.Options, given);
        }
        catch (OverflowException e)
        {
            throw section.Error($"'{key}' is {given}, which is out of its range.", e);
        }

        shared.Given[key] = (given, section.Path);
    }

    private sealed record Shared(LocalStoreOptions Options)
    {
        public Dictionary<string, (object Value, string Origin)> Given { get; } = [];
    }
}
