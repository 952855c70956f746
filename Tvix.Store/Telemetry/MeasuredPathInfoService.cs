using Tvix.Castore;
using Tvix.Castore.Telemetry;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Telemetry;

/// <summary>Tells listeners what a named path info service does; see <see cref="CastoreTelemetry"/>.</summary>
internal sealed class MeasuredPathInfoService(IPathInfoService inner, string name) : MeasuredService(inner, "path_info", name), IPathInfoService
{
    public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled
            ? Meter.MeasureAsync(
                "get",
                digest,
                (inner, digest),
                static (s, token) => s.inner.GetAsync(s.digest, token),
                static pathInfo => pathInfo is not null,
                cancellationToken)
            : inner.GetAsync(digest, cancellationToken);

    public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled
            ? Meter.MeasureAsync(
                "put",
                pathInfo?.StorePath.Digest,
                (inner, pathInfo),
                static (s, token) => s.inner.PutAsync(s.pathInfo!, token),
                static _ => true,
                cancellationToken)
            : inner.PutAsync(pathInfo, cancellationToken);

    public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default)
    {
        IAsyncEnumerable<PathInfo> list = inner.ListAsync(cancellationToken);
        return ServiceMeter.IsEnabled ? Meter.MeasureAsync("list", null, list, cancellationToken) : list;
    }
}
