namespace Tvix.Castore;

/// <summary>What the services of a container tell about their work, through <c>System.Diagnostics</c>.</summary>
/// <remarks>
/// <para>Every blob, directory and path info service that was named with the builder is measured. Without a listener that costs next to
/// nothing.</para>
/// <list type="table">
/// <listheader><term>instrument</term><description>what it counts, and its tags</description></listheader>
/// <item><term><c>tvix.castore.operation.duration</c></term><description>histogram in <c>s</c>: how long a call took;
/// <c>tvix.service.kind</c> (blob, directory, path_info), <c>tvix.service.name</c>, <c>tvix.operation</c>, <c>tvix.outcome</c> (ok, absent,
/// error, cancelled)</description></item>
/// <item><term><c>tvix.castore.blob.read</c></term><description>counter in <c>By</c>: bytes that readers got;
/// <c>tvix.service.name</c></description></item>
/// <item><term><c>tvix.castore.blob.written</c></term><description>counter in <c>By</c>: bytes of blobs that were stored;
/// <c>tvix.service.name</c></description></item>
/// <item><term><c>tvix.castore.cache.lookups</c></term><description>counter: reads of caching services; <c>tvix.service.kind</c>,
/// <c>tvix.service.name</c> if the service has one, <c>tvix.cache.result</c> (hit, miss)</description></item>
/// </list>
/// <para>Activities are named after the kind and the operation, such as <c>blob open_read</c>, and have the tags of the histogram and
/// <c>tvix.digest</c>, which is no tag of any instrument.</para>
/// </remarks>
public static class CastoreTelemetry
{
    /// <summary>The name of the <see cref="System.Diagnostics.ActivitySource"/> and of the <see cref="System.Diagnostics.Metrics.Meter"/>.</summary>
    public const string Name = "Tvix.Castore";
}
