namespace Tvix.Castore.Composition;

/// <summary>Finds what a service can do beyond its interface, however it is decorated.</summary>
public static class ServiceCapabilities
{
    /// <summary>The service as something else, or the one that it decorates; <see langword="null"/> when none of them is that.</summary>
    /// <typeparam name="T">An interface that a backend may implement beside that of its service, or the class of a service.</typeparam>
    /// <param name="service">The service, such as the one that a container gave for a name.</param>
    public static T? Find<T>(object? service)
        where T : class
    {
        while (service is not T && service is IServiceDecorator decorator)
        {
            service = decorator.Inner;
        }

        return service as T;
    }

    /// <summary>The service to ask before writing to another whether that must be; see <see cref="IWrittenElsewhere{TService}"/>.</summary>
    internal static T WrittenTo<T>(T service)
        where T : class => Find<IWrittenElsewhere<T>>(service)?.WrittenTo ?? service;
}
