using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Telemetry;

/// <summary>Tells listeners what a named directory service does; see <see cref="CastoreTelemetry"/>.</summary>
internal sealed class MeasuredDirectoryService(IDirectoryService inner, string name) : MeasuredService(inner, "directory", name), IDirectoryService
{
    public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled
            ? Meter.MeasureAsync(
                "get",
                digest,
                (inner, digest),
                static (s, token) => s.inner.GetAsync(s.digest, token),
                static directory => directory is not null,
                cancellationToken)
            : inner.GetAsync(digest, cancellationToken);

    public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled
            ? Meter.MeasureAsync(
                "put",
                directory?.Digest,
                (inner, directory),
                static (s, token) => s.inner.PutAsync(s.directory!, token),
                static _ => true,
                cancellationToken)
            : inner.PutAsync(directory, cancellationToken);

    public IAsyncEnumerable<CastoreDirectory> GetClosureAsync(B3Digest root, CancellationToken cancellationToken = default)
    {
        IAsyncEnumerable<CastoreDirectory> closure = inner.GetClosureAsync(root, cancellationToken);
        return ServiceMeter.IsEnabled ? Meter.MeasureAsync("get_closure", root, closure, cancellationToken) : closure;
    }

    public DirectoryPutter OpenPutter()
    {
        DirectoryPutter putter = inner.OpenPutter();
        return ServiceMeter.IsEnabled ? new MeasuredDirectoryPutter(putter, Meter) : putter;
    }
}
