namespace Tvix.Castore.Composition;

/// <summary>A service in front of others, which may find more than what it would find if only what was written through it counted.</summary>
/// <typeparam name="TService">The interface of the service.</typeparam>
internal interface IWrittenElsewhere<TService>
    where TService : class
{
    /// <summary>
    /// The service that decides whether something must still be written: of a cache that writes far, the far one, since what only the near
    /// one has would be missing for all others. The service itself where all that it finds will do.
    /// </summary>
    TService WrittenTo { get; }
}
