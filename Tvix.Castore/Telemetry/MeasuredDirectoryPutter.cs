using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Castore.Telemetry;

/// <summary>Measures the completion of an upload.</summary>
internal sealed class MeasuredDirectoryPutter(DirectoryPutter inner, ServiceMeter meter) : DirectoryPutter
{
    public override ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) =>
        inner.PutAsync(directory, cancellationToken);

    public override ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default) =>
        meter.MeasureAsync(
            "complete_put", null, inner, static (inner, token) => inner.CompleteAsync(token), static _ => true, cancellationToken);

    public override ValueTask DisposeAsync() => inner.DisposeAsync();
}
