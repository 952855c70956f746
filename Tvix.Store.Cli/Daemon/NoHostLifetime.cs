using Microsoft.Extensions.Hosting;

namespace Tvix.Store.Cli.Daemon;

/// <summary>Signals are the process's own business; the host has nothing to do with them.</summary>
internal sealed class NoHostLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
