using Microsoft.Extensions.DependencyInjection;

namespace Tvix.Castore.Composition;

/// <summary>Adds named stores and services to a container. Every backend is an extension method on this, ours and others alike.</summary>
/// <remarks>
/// A name is the key of a keyed singleton: <c>provider.GetRequiredKeyedService&lt;IBlobService&gt;("near")</c>. What is named <see cref="RootName"/> is also
/// what one gets without a key. Names of blob, directory and path info services are apart from each other. Nothing is opened before it is used.
/// </remarks>
public sealed class TvixStoreBuilder
{
    /// <summary>The name of what is used where no name is given: <c>root</c>.</summary>
    public const string RootName = "root";

    private readonly HashSet<(Type Service, string Name)> _names = [];

    /// <summary>Makes a builder over a container's services; <c>AddTvixStore</c> does.</summary>
    public TvixStoreBuilder(IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        Services = services;
    }

    /// <summary>The services of the container.</summary>
    public IServiceCollection Services { get; }

    /// <summary>The names of services that others refer to, and who does; checked by <see cref="Validate"/>.</summary>
    private List<(Type Service, string Name, string Target)> References { get; } = [];

    /// <summary>Adds a service under a name: what backends call.</summary>
    /// <typeparam name="TService">The service interface, such as <c>IBlobService</c>.</typeparam>
    /// <param name="name">The name, which must be new for this kind of service.</param>
    /// <param name="factory">Makes the service when it is first asked for. It should do no I/O.</param>
    /// <param name="targets">The names of services of the same kind that this one is made of.</param>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public TvixStoreBuilder AddService<TService>(string name, Func<IServiceProvider, TService> factory, params ReadOnlySpan<string> targets)
        where TService : class
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(factory);
        if (!_names.Add((typeof(TService), name)))
        {
            throw new ArgumentException($"There are two services of type {typeof(TService).Name} with the name '{name}'.", nameof(name));
        }

        foreach (string target in targets)
        {
            ArgumentException.ThrowIfNullOrEmpty(target, nameof(targets));
            References.Add((typeof(TService), name, target));
        }

        Services.AddKeyedSingleton(name, (provider, _) => factory(provider));
        if (name == RootName)
        {
            Services.AddSingleton(provider => provider.GetRequiredKeyedService<TService>(RootName));
        }

        return this;
    }

    /// <summary>Checks that every name that is referred to exists, and that none leads back to itself.</summary>
    /// <exception cref="InvalidOperationException">One does not exist, or is made of itself; the message names it.</exception>
    public void Validate()
    {
        foreach ((Type service, string name, string target) in References)
        {
            if (!_names.Contains((service, target)))
            {
                throw new InvalidOperationException($"The {service.Name} '{name}' refers to '{target}', which does not exist.");
            }
        }

        foreach ((Type service, string name) in _names)
        {
            FindCycle(service, [name]);
        }
    }

    private void FindCycle(Type service, List<string> trail)
    {
        foreach ((Type _, string _, string target) in References.Where(reference => reference.Service == service && reference.Name == trail[^1]))
        {
            if (trail.Contains(target))
            {
                throw new InvalidOperationException($"The {service.Name} '{target}' is made of itself: {string.Join(" → ", trail)} → {target}.");
            }

            FindCycle(service, [.. trail, target]);
        }
    }
}
