using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Telemetry;

namespace Tvix.Castore.Composition;

/// <summary>What all builders over the same services know; kept among these, as an instance.</summary>
internal sealed class TvixStoreRegistry
{
    private readonly Dictionary<Type, object> _parts = [];

    /// <summary>The names that are taken, and the place in the configuration that each comes from, if it comes from there.</summary>
    public Dictionary<(Type Service, string Name), string?> Names { get; } = [];

    /// <summary>What refers to what.</summary>
    public List<(Type Service, string Name, Type TargetService, string Target)> References { get; } = [];

    /// <summary>The named thing that a service keeps everything in, or that does so for the one it is made of.</summary>
    public Dictionary<(Type Service, string Name), (Type Service, string Name)> Backings { get; } = [];

    /// <summary>What is put around each service of a kind.</summary>
    public Dictionary<Type, Func<object, string, object>> Decorators { get; } = new()
    {
        [typeof(IBlobService)] = static (service, name) => new MeasuredBlobService((IBlobService)service, name),
        [typeof(IDirectoryService)] = static (service, name) => new MeasuredDirectoryService((IDirectoryService)service, name),
    };

    /// <summary>How services of a type are added from configuration; the types are in lower case.</summary>
    public Dictionary<(Type Service, string Type), Action<TvixStoreBuilder, ServiceSection>> Types { get; } = [];

    /// <summary>The place in the configuration that is being read.</summary>
    public string? Origin { get; set; }

    /// <summary>What a package keeps here of its own.</summary>
    public T Part<T>()
        where T : class, new()
    {
        if (!_parts.TryGetValue(typeof(T), out object? part))
        {
            _parts.Add(typeof(T), part = new T());
        }

        return (T)part;
    }

    /// <summary>What a service keeps everything in, if that is known.</summary>
    public (Type Service, string Name)? FindBacking(Type service, string name)
    {
        // Checked services do not lead back to themselves, but nobody is kept from asking before.
        (Type Service, string Name)? found = null;
        for (int steps = 0; steps <= Backings.Count && Backings.TryGetValue((service, name), out (Type Service, string Name) next); steps++)
        {
            found = next;
            (service, name) = next;
        }

        return found;
    }

    /// <summary>The name of a service for a message, with the place that it comes from.</summary>
    public string Describe(Type service, string name) =>
        Names.GetValueOrDefault((service, name)) is { } origin ? $"{service.Name} '{name}' ({origin})" : $"{service.Name} '{name}'";
}
