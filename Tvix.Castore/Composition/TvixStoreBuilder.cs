using Microsoft.Extensions.DependencyInjection;

namespace Tvix.Castore.Composition;

/// <summary>Adds named stores and services to a container. Every backend is an extension method on this, ours and others alike.</summary>
/// <remarks>
/// <para>A name is the key of a keyed singleton: <c>provider.GetRequiredKeyedService&lt;IBlobService&gt;("near")</c>. What is named
/// <see cref="RootName"/> is also what one gets without a key. Names of blob, directory and path info services are apart from each other.
/// Nothing is opened before it is used.</para>
/// <para>All builders over the same services know of each other's names. Every blob, directory and path info service is measured, see
/// <see cref="CastoreTelemetry"/>; <see cref="ServiceCapabilities.Find"/> gives the service beneath.</para>
/// </remarks>
public sealed class TvixStoreBuilder
{
    /// <summary>The name of what is used where no name is given: <c>root</c>.</summary>
    public const string RootName = "root";

    /// <summary>Makes a builder over a container's services; <c>AddTvixStore</c> does.</summary>
    public TvixStoreBuilder(IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        Services = services;
        foreach (ServiceDescriptor descriptor in services)
        {
            if (!descriptor.IsKeyedService && descriptor.ImplementationInstance is TvixStoreRegistry known)
            {
                Registry = known;
                return;
            }
        }

        Registry = new TvixStoreRegistry();
        services.AddSingleton(Registry);
    }

    /// <summary>The services of the container.</summary>
    public IServiceCollection Services { get; }

    internal TvixStoreRegistry Registry { get; }

    /// <summary>Adds a service under a name: what backends call.</summary>
    /// <typeparam name="TService">The service interface, such as <c>IBlobService</c>.</typeparam>
    /// <param name="name">The name, which must be new for this kind of service.</param>
    /// <param name="factory">Makes the service when it is first asked for. It should do no I/O.</param>
    /// <param name="targets">
    /// The names of services of the same kind that this one is made of; those of other kinds are said with
    /// <see cref="AddReference{TService, TTarget}"/>.
    /// </param>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public TvixStoreBuilder AddService<TService>(string name, Func<IServiceProvider, TService> factory, params ReadOnlySpan<string> targets)
        where TService : class
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(factory);
        if (!Registry.Names.TryAdd((typeof(TService), name), Registry.Origin))
        {
            throw new ArgumentException($"There are two services of type {typeof(TService).Name} with the name '{name}'.", nameof(name));
        }

        foreach (string target in targets)
        {
            AddReference<TService, TService>(name, target);
        }

        Services.AddKeyedSingleton(name, (provider, _) =>
            Registry.Decorators.TryGetValue(typeof(TService), out Func<object, string, object>? decorate)
                ? (TService)decorate(factory(provider), name)
                : factory(provider));
        if (name == RootName)
        {
            Services.AddSingleton(provider => provider.GetRequiredKeyedService<TService>(RootName));
        }

        return this;
    }

    /// <summary>Says that a service needs another, of the same or of another kind, which <see cref="Validate"/> then looks for.</summary>
    /// <typeparam name="TService">The kind of the service.</typeparam>
    /// <typeparam name="TTarget">The kind of the other; any class or interface of which something is added under a name.</typeparam>
    /// <param name="name">The name of the service.</param>
    /// <param name="target">The name of the other.</param>
    public TvixStoreBuilder AddReference<TService, TTarget>(string name, string target)
        where TService : class
        where TTarget : class
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentException.ThrowIfNullOrEmpty(target);
        Registry.References.Add((typeof(TService), name, typeof(TTarget), target));
        return this;
    }

    /// <summary>
    /// Makes a type of service known to the configuration: what <c>"Type": "…"</c> stands for in the section of a named service of that kind.
    /// </summary>
    /// <typeparam name="TService">The kind of service, such as <c>IBlobService</c>.</typeparam>
    /// <param name="type">The type; upper and lower case are the same.</param>
    /// <param name="add">
    /// Reads the keys that it knows from the section and adds a service of the section's name. Keys that it does not ask for are errors. Exceptions
    /// for arguments and formats are reported with the path of the section.
    /// </param>
    /// <returns>The builder. A type that is known gets the new meaning.</returns>
    public TvixStoreBuilder AddServiceType<TService>(string type, Action<TvixStoreBuilder, ServiceSection> add)
        where TService : class
    {
        ArgumentException.ThrowIfNullOrEmpty(type);
        ArgumentNullException.ThrowIfNull(add);
        Registry.Types[(typeof(TService), type.ToLowerInvariant())] = add;
        return this;
    }

    /// <summary>Checks that every name that is referred to exists, and that none leads back to itself.</summary>
    /// <exception cref="InvalidOperationException">One does not exist, or is made of itself; the message names it.</exception>
    public void Validate()
    {
        foreach ((Type service, string name, Type targetService, string target) in Registry.References)
        {
            if (!Registry.Names.ContainsKey((targetService, target)))
            {
                string kind = targetService == service ? "" : $"the {targetService.Name} ";
                throw new InvalidOperationException($"The {Registry.Describe(service, name)} refers to {kind}'{target}', which does not exist.");
            }
        }

        HashSet<(Type Service, string Name)> sound = [];
        foreach ((Type service, string name) in Registry.Names.Keys)
        {
            FindCycle(service, [name], sound);
        }
    }

    /// <summary>Says what a service keeps everything in: something that can count and check it, or another service that does so.</summary>
    internal void SetBacking<TService, TBacking>(string name, string backing) =>
        Registry.Backings[(typeof(TService), name)] = (typeof(TBacking), backing);

    private void FindCycle(Type service, List<string> trail, HashSet<(Type Service, string Name)> sound)
    {
        if (sound.Contains((service, trail[^1])))
        {
            return;
        }

        foreach ((Type from, string name, Type to, string target) in Registry.References)
        {
            if (from != service || to != service || name != trail[^1])
            {
                continue;
            }

            if (trail.Contains(target))
            {
                throw new InvalidOperationException(
                    $"The {Registry.Describe(service, target)} is made of itself: {string.Join(" → ", trail)} → {target}.");
            }

            FindCycle(service, [.. trail, target], sound);
        }

        sound.Add((service, trail[^1]));
    }
}
