namespace Tvix.Castore.Composition;

/// <summary>
/// A service that does to another what it is asked, and only watches. What the other can do beyond its interface is found with
/// <see cref="ServiceCapabilities.Find"/>.
/// </summary>
public interface IServiceDecorator
{
    /// <summary>The service that does the work.</summary>
    object Inner { get; }
}
