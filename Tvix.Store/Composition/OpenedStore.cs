namespace Tvix.Store.Composition;

/// <summary>A store that a container opened by its address, and disposes.</summary>
internal sealed class OpenedStore(StoreServices services) : IAsyncDisposable, IDisposable
{
    public StoreServices Services { get; } = services;

    public ValueTask DisposeAsync() => Services.Owner?.DisposeAsync() ?? ValueTask.CompletedTask;

    public void Dispose()
    {
        if (Services.Owner is IDisposable owner)
        {
            owner.Dispose();
        }
        else if (Services.Owner is not null)
        {
            throw new InvalidOperationException("The store can only be disposed asynchronously, and so the container.");
        }
    }
}
