using Tvix.Castore.Composition;

namespace Tvix.Castore.Telemetry;

/// <summary>What all measured services have in common. They take the place of the service in a container, so they dispose it if it can be disposed.</summary>
internal abstract class MeasuredService(object inner, string kind, string name) : IServiceDecorator, IAsyncDisposable, IDisposable
{
    object IServiceDecorator.Inner => inner;

    protected ServiceMeter Meter { get; } = new(kind, name);

    public async ValueTask DisposeAsync()
    {
        if (inner is IAsyncDisposable asynchronous)
        {
            await asynchronous.DisposeAsync().ConfigureAwait(false);
        }
        else
        {
            (inner as IDisposable)?.Dispose();
        }
    }

    public void Dispose()
    {
        if (inner is IDisposable disposable)
        {
            disposable.Dispose();
        }
        else if (inner is IAsyncDisposable)
        {
            throw new InvalidOperationException($"The {kind} service '{name}' can only be disposed asynchronously.");
        }
    }
}
