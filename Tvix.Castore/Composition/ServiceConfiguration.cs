using Microsoft.Extensions.Configuration;

namespace Tvix.Castore.Composition;

/// <summary>Adds named services from sections of the configuration.</summary>
internal static class ServiceConfiguration
{
    private const string TypeKey = "Type";
    private const string AddressKey = "Address";

    /// <summary>The type of a section that has an address and says no type.</summary>
    public const string AddressType = "address";

    /// <summary>Adds one service of a kind for each child of a section.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="services">The section; its children are the services.</param>
    /// <param name="nameOf">Gives the name of a service of a kind as it is to be spelled.</param>
    public static void AddAll<TService>(TvixStoreBuilder builder, IConfigurationSection services, Func<Type, string, string> nameOf)
        where TService : class
    {
        foreach (IConfigurationSection child in services.GetChildren())
        {
            ServiceSection section = new(child, nameOf(typeof(TService), child.Key), nameOf);
            string? type = section.Find(TypeKey);
            type ??= child[AddressKey] is not null ? AddressType : throw section.Error($"'{TypeKey}' is missing.");
            if (!builder.Registry.Types.TryGetValue((typeof(TService), type.ToLowerInvariant()), out Action<TvixStoreBuilder, ServiceSection>? add))
            {
                IEnumerable<string> known = builder.Registry.Types.Keys.Where(key => key.Service == typeof(TService)).Select(key => key.Type);
                throw section.Error($"The type '{type}' is not known here; known are {string.Join(", ", known.Order(StringComparer.Ordinal))}.");
            }

            string? before = builder.Registry.Origin;
            builder.Registry.Origin = section.Path;
            try
            {
                add(builder, section);
            }
            catch (Exception e) when (e is ArgumentException or FormatException)
            {
                throw section.Error(e.Message, e);
            }
            finally
            {
                builder.Registry.Origin = before;
            }

            section.ThrowIfMoreIsGiven();
        }
    }
}
